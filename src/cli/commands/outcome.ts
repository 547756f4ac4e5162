import { DEFAULT_NAMESPACE, type MemorySynchronizer, type SyncOutcome, VersionConflictError } from "../../index.ts";
import { printable } from "../output.ts";

/** The outcome of `write`. A version conflict counts as an outcome, because the command prints it as one. */
export async function outcomeOf(
  sync: MemorySynchronizer,
  key: { memoryId: string; namespace?: string | undefined },
  write: () => Promise<SyncOutcome>,
): Promise<SyncOutcome> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    const { memoryId, namespace = DEFAULT_NAMESPACE } = key;
    return {
      namespace,
      memoryId,
      version: error.foundVersion,
      checksum: error.current?.checksum ?? null,
      status: "conflict",
      stores: Object.fromEntries(Object.keys(sync.health()).map((store) => [store, "unchanged" as const])),
      transactionId: null,
      error,
    };
  }
}

/** The outcome of one write, for people. @param done the act in the past tense, e.g. "written". */
export function outcomeText(
  { namespace, memoryId, status, version, stores, embeddingDropped, error }: SyncOutcome,
  done: string,
): string {
  const name = printable(`${namespace}/${memoryId}`);
  if (status === "conflict") return `${name}: not ${done}: ${error?.message ?? `it is at version ${version}`}`;
  if (status === "unchanged") return `${name}: unchanged, at version ${version}`;
  const pending = Object.entries(stores).flatMap(([store, state]) => (state === "pending" ? [store] : []));
  const behind = pending.length === 0 ? "" : `; not published yet to: ${pending.join(", ")}`;
  const dropped = embeddingDropped ? "; its embedding is gone, so no search finds it" : "";
  return `${name}: ${done}, as version ${version}${behind}${dropped}`;
}
