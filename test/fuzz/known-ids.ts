import type { Answer, Operation } from "./document.ts";

/** A ULID that names nothing. */
export const UNKNOWN_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** Kinds of things whose ids the service makes. */
export type IdKind =
  | "transaction"
  | "job"
  | "erasure"
  | "subscription"
  | "conflict"
  | "cursor"
  | "epoch"
  | "run"
  | "session";

type Document = Record<string, unknown>;
type Found = readonly [kind: IdKind, id: unknown];

const transactionOf = (document: Document): Found[] => [["transaction", document.transactionId]];
const jobOf = (document: Document): Found[] => [["job", document.id]];
const runOf = (document: Document): Found[] => [["run", document.id]];
const erasureOf = (document: Document): Found[] => [["erasure", document.erasureId]];
const cursorOf = (document: Document): Found[] => [["cursor", document.cursor]];

/** Where answers of an operation have ids. */
const SOURCES: Readonly<Record<string, (document: Document) => readonly Found[]>> = {
  putMemory: transactionOf,
  patchMemory: transactionOf,
  deleteMemory: transactionOf,
  writeBatch: ({ outcomes }) => transactionOf((outcomes as Document[])[0] ?? {}),
  startCheck: jobOf,
  startRepair: jobOf,
  triggerConnector: runOf,
  backfillConnector: runOf,
  replayConnectorDeadLetters: runOf,
  eraseMemory: erasureOf,
  eraseMemories: erasureOf,
  createSubscription: ({ id }) => [["subscription", id]],
  listConflicts: ({ conflicts }) => (conflicts as Document[]).map(({ id }): Found => ["conflict", id]),
  listMemories: cursorOf,
  listNamespaces: cursorOf,
  listSuppressed: cursorOf,
  readChanges: cursorOf,
  readHubChanges: cursorOf,
  identifyDevice: ({ epoch }) => [["epoch", epoch]],
};

/** Of each kind: the latest ones. What came before may be gone. */
const KEPT = 20;
/** Characters of an answer that is looked at: a page of large memories would cost the fuzzer more than its ids are worth. */
const BODY_MAX = 50_000;

/**
 * Ids that the service gave out: requests name what is there, and meet the handlers. All callers know all of them, those of other
 * tenants too, and must learn nothing by them.
 */
export class KnownIds {
  readonly #ids = new Map<IdKind, string[]>();

  /** Takes ids from an answer. */
  learn(operation: Operation, { status, body, cut, session }: Answer): void {
    if (session !== undefined) this.add("session", session);
    const source = SOURCES[operation.operationId];
    if (source === undefined || status >= 300 || cut || body.length > BODY_MAX) return;
    for (const [kind, id] of source(JSON.parse(body) as Document)) {
      if (typeof id === "string") this.add(kind, id);
    }
  }

  add(kind: IdKind, id: string): void {
    const ids = this.#ids.get(kind) ?? [];
    if (!ids.includes(id)) ids.push(id);
    if (ids.length > KEPT) ids.shift();
    this.#ids.set(kind, ids);
  }

  /** Never empty: the last resort names nothing. */
  of(kind: IdKind): readonly string[] {
    const known = this.#ids.get(kind) ?? [];
    return [...known, kind === "conflict" ? "999999" : UNKNOWN_ULID];
  }
}
