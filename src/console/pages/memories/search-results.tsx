import { useState } from "preact/hooks";
import type { ApiError } from "../../api/api-error.ts";
import { pathOf } from "../../api/client.ts";
import type { SearchResult } from "../../api/documents.ts";
import { EmptyState, ErrorText, Loaded } from "../../components/feedback.tsx";
import { SelectField } from "../../components/field.tsx";
import { useResource } from "../../state/resource.ts";
import { linkTo } from "../../state/router.ts";
import { counted } from "../../text/numbers.ts";
import { type Criteria, filterOf, type Mode } from "./criteria.ts";
import { rowOf } from "./list-pages.ts";
import { MemoryRowText } from "./memory-list.tsx";

const SIZES = ["10", "50", "100"].map((value) => ({ value, text: value }));

const SCORES: Readonly<Record<Mode, string>> = {
  vector: "Scores say how near the vectors are; of a cosine, 1 is the same direction.",
  text: "Scores are the weight of the words that were found (BM25); only their order counts.",
  hybrid:
    "Scores fuse the places in the two rankings, by words and by vectors: 1 / (60 + place) of each, times its weight.",
};

/** The memories nearest to a text, best first. */
export function SearchResults({ namespace, criteria }: { readonly namespace: string; readonly criteria: Criteria }) {
  const [size, setSize] = useState("10");
  const { text, mode } = criteria;
  const where = filterOf(criteria);
  const resource = useResource<{ results: readonly SearchResult[] }>(
    (api, signal) => {
      const body = { text, mode, k: Number(size), ...(where !== undefined && { where }) };
      return api.post(pathOf("v1", "namespaces", namespace, "search"), body, { signal });
    },
    [namespace, text, mode, size, where === undefined ? null : JSON.stringify(where)],
  );
  if (resource.error?.status === 422 && resource.value === undefined) return <Refused error={resource.error} />;
  return (
    <Loaded resource={resource} what="the nearest memories">
      {({ results }) =>
        results.length === 0 ? (
          <EmptyState title="Nothing was found">
            <p>
              {mode === "text"
                ? "No memory has these words. A search by meaning finds other words for the same."
                : "No memory that passes the filter has a vector or these words."}
            </p>
          </EmptyState>
        ) : (
          <div class="stack stack-close">
            <div class="row row-between">
              <div>
                <p role="status">{counted(results.length, "result")}, best first</p>
                <p class="hint">{SCORES[mode]}</p>
              </div>
              <SelectField label="Results at most" value={size} onInput={setSize} choices={SIZES} />
            </div>
            <ol class="results">
              {results.map((result) => (
                <li key={result.memory.memoryId}>
                  <a href={linkTo("memories", [namespace, result.memory.memoryId])}>
                    <MemoryRowText row={rowOf(result.memory)} score={result.score.toFixed(4)} />
                    {result.parts !== undefined && <Parts parts={result.parts} />}
                  </a>
                </li>
              ))}
            </ol>
          </div>
        )
      }
    </Loaded>
  );
}

/** The service cannot search in this way. */
function Refused({ error }: { readonly error: ApiError }) {
  return (
    <div class="stack">
      <ErrorText error={error} />
      <p>
        A search by meaning needs an embedder, a search by words needs the setting <code>indexes.text</code>: choose
        another way under "By", or set up what is missing.
      </p>
    </div>
  );
}

/** What each ranking of a hybrid search gave to the score. */
function Parts({ parts }: { readonly parts: NonNullable<SearchResult["parts"]> }) {
  return (
    <span class="row-parts">
      <Part name="words" part={parts.text} />
      <Part name="meaning" part={parts.vector} />
    </span>
  );
}

function Part({ name, part }: { readonly name: string; readonly part: NonNullable<SearchResult["parts"]>["text"] }) {
  if (part === null) return <span>{name}: not found</span>;
  const { rank, score, share } = part;
  return <span>{`${name}: place ${rank} (${score.toFixed(3)}) gives ${share.toFixed(4)}`}</span>;
}
