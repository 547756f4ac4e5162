import { existsSync } from "node:fs";
import { MemorySynchronizer, type Options } from "../index.ts";
import type { Invocation } from "./command.ts";
import { connectOptions, isDefaultIndexFolder } from "./options.ts";
import { count } from "./output.ts";
import { startProgress } from "./progress.ts";

/** Runs `work` on a connected synchronizer, and closes it in any case. */
export async function withSynchronizer<T>(
  invocation: Invocation,
  work: (sync: MemorySynchronizer) => Promise<T>,
  adapt: (options: Options) => Options = (options) => options,
): Promise<T> {
  const { log, signal } = invocation;
  const options = adapt(connectOptions(invocation.settings));
  noteNewIndexFolder(invocation, options);
  const progress = await startProgress(
    "filling the vector index from the ledger",
    null,
    "{read} read, {applied} applied",
  );
  let sync: MemorySynchronizer;
  try {
    const onIndexProgress = ({ read, applied }: { read: number; applied: number }): void =>
      progress.update(read, { read: count(read), applied: count(applied) });
    sync = await MemorySynchronizer.connect({ ...options, log, onIndexProgress }, { signal });
  } finally {
    progress.stop();
  }
  try {
    return await work(sync);
  } finally {
    await sync.close();
  }
}

/** Says where the index is created when only the current directory decides it: elsewhere it would be another index. */
export function noteNewIndexFolder({ layers, note }: Invocation, { faiss }: Options): void {
  if (faiss === undefined || !isDefaultIndexFolder(layers) || existsSync(faiss.directory)) return;
  note(
    `the vector index is created in ${faiss.directory}, because no setting names its folder. Set ` +
      "MNEMOSYNC_FAISS_DIRECTORY to use the same index from every directory",
  );
}

/** For commands that need no FAISS index: another process may have its folder open at this moment. */
export function withoutIndex(options: Options): Options {
  const { faiss: _, ...rest } = options;
  return { ...rest, embedding: { provider: "none" } };
}
