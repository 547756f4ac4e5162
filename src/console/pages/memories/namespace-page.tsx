import { Message } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { go, linkTo } from "../../state/router.ts";
import { criteriaOf, flawOf, queryOf } from "./criteria.ts";
import { CriteriaForm } from "./criteria-form.tsx";
import { MemoryList } from "./memory-list.tsx";
import { SearchResults } from "./search-results.tsx";

/** The memories of a namespace: all, those that pass a filter, or the nearest to a text. */
export function NamespacePage({ namespace, query }: { readonly namespace: string; readonly query: URLSearchParams }) {
  const criteria = criteriaOf(query);
  const flaw = flawOf(criteria);
  const address = query.toString();
  return (
    <>
      <PageHead title="Memories" about={`Of the namespace ${namespace}`}>
        <a href={linkTo("memories")}>Other namespaces</a>
      </PageHead>
      <CriteriaForm
        key={address}
        criteria={criteria}
        onApply={(next) => go(linkTo("memories", [namespace], queryOf(next)))}
      />
      {flaw !== null && (
        <Message kind="failed">
          <p>{flaw.text} Correct it in the filters, then list again.</p>
        </Message>
      )}
      {flaw === null && criteria.text === "" && <MemoryList key={address} namespace={namespace} criteria={criteria} />}
      {flaw === null && criteria.text !== "" && (
        <SearchResults key={address} namespace={namespace} criteria={criteria} />
      )}
    </>
  );
}
