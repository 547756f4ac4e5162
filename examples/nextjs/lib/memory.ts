/**
 * One synchronizer for the whole server. `next dev` evaluates a changed module again in the same process, and an
 * index folder can be opened by one synchronizer only: so the promise is kept on `globalThis`, which survives that.
 */
import { MemorySynchronizer } from "mnemosync";
import { storesFor } from "../../stores.ts";

const kept = globalThis as typeof globalThis & { mnemosync?: Promise<MemorySynchronizer> | undefined };

/** The synchronizer; the first call connects. A failed connect is not kept: the next call tries again. */
export function memory(): Promise<MemorySynchronizer> {
  kept.mnemosync ??= open().catch((error: unknown) => {
    kept.mnemosync = undefined;
    throw error;
  });
  return kept.mnemosync;
}

async function open(): Promise<MemorySynchronizer> {
  const sync = await MemorySynchronizer.connect({ ...storesFor(384), embedding: { provider: "hashing" } });
  sync.start();
  // Once per process, since this runs once: settles accepted writes and saves the index before the server ends.
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => void sync.close());
  return sync;
}
