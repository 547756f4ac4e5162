import { useMemo } from "preact/hooks";
import { wordDiff } from "../text/word-diff.ts";

/** A field in which two sides differ; undefined: the side lacks it. */
export interface FieldChange {
  /** Names it, as `content` or `metadata.tags.2`. */
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface FieldDiffProps {
  readonly changes: readonly FieldChange[];
  readonly beforeName: string;
  readonly afterName: string;
}

/** The fields that differ, each with both sides side by side, and what went and came marked word by word. */
export function FieldDiff({ changes, beforeName, afterName }: FieldDiffProps) {
  return (
    <div class="diff">
      {changes.map((change) => (
        <section key={change.name} aria-label={`Field ${change.name}`}>
          <h3>
            <code>{change.name}</code>
          </h3>
          <Sides change={change} beforeName={beforeName} afterName={afterName} />
        </section>
      ))}
    </div>
  );
}

function Sides({ change, beforeName, afterName }: { change: FieldChange; beforeName: string; afterName: string }) {
  const before = textOf(change.before);
  const after = textOf(change.after);
  const parts = useMemo(() => wordDiff(before ?? "", after ?? ""), [before, after]);
  return (
    <div class="diff-sides">
      <div class="diff-side">
        <span class="hint">{beforeName}</span>
        <div class="text-block">
          {before === null ? (
            <span class="muted">Not there</span>
          ) : (
            parts.map(
              ({ kind, text }, at) => kind !== "added" && (kind === "same" ? text : <del key={`${at}-`}>{text}</del>),
            )
          )}
        </div>
      </div>
      <div class="diff-side">
        <span class="hint">{afterName}</span>
        <div class="text-block">
          {after === null ? (
            <span class="muted">Not there</span>
          ) : (
            parts.map(
              ({ kind, text }, at) => kind !== "removed" && (kind === "same" ? text : <ins key={`${at}+`}>{text}</ins>),
            )
          )}
        </div>
      </div>
    </div>
  );
}

/** Null: it is not there. Of a text itself; of other values their JSON. */
function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** The name of a JSON pointer (RFC 6901): `/metadata/tags/2` is `metadata.tags.2`. */
export function nameOfPointer(pointer: string): string {
  const parts = pointer.split("/").slice(1);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")).join(".") || "(the whole memory)";
}
