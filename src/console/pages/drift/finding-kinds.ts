import type { Finding } from "../../api/documents.ts";

export type Kind = Finding["kind"];

/** What each kind of drift means. */
export const KIND_TEXTS: Readonly<Record<Kind, string>> = {
  missing: "The ledger has the memory, the store does not",
  stale: "The store holds an older version",
  ahead: "The store holds a version that the ledger never gave out",
  diverged: "The same version, with other content",
  corrupt: "The data does not fit its checksum, or is no memory at all",
  orphan: "The ledger does not know the memory",
  resurrected: "The ledger says that it has ended, and the store shows it",
  foreign: "The vector is of another model or dimension than the store's",
};

/** Kinds in which both sides may be right: a strategy or a person decides. */
export const CONFLICT_KINDS: ReadonlySet<Kind> = new Set<Kind>(["ahead", "diverged", "orphan"]);

/** How many findings there are of each kind in each store. */
export interface FindingCount {
  readonly kind: Kind;
  readonly store: string;
  readonly count: number;
}

export function countFindings(findings: readonly Finding[]): FindingCount[] {
  const counts = new Map<string, { kind: Kind; store: string; count: number }>();
  for (const { kind, store } of findings) {
    const name = `${kind} ${store}`;
    const known = counts.get(name) ?? { kind, store, count: 0 };
    known.count++;
    counts.set(name, known);
  }
  return [...counts.values()].sort((one, other) => other.count - one.count);
}
