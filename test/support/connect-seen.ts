import { type ConnectOptions, FaissProjection, type MemorySynchronizer } from "../../src/index.ts";
import { connectWithHooks, type Hooks } from "../../src/synchronizer/with-hooks.ts";

/** Connects as everybody does, and keeps hold of the index that was opened on the way. */
export async function connectSeen(
  options: ConnectOptions & Hooks,
): Promise<{ sync: MemorySynchronizer; index: FaissProjection | null }> {
  const opened = FaissProjection.open;
  let index: FaissProjection | null = null;
  FaissProjection.open = async (faiss, ...rest) => {
    // A host that is killed over and over must be back soon.
    index = await opened.call(FaissProjection, { ...faiss, hostBackoffMaxMs: 100 }, ...rest);
    return index;
  };
  try {
    return { sync: await connectWithHooks(options), index };
  } finally {
    FaissProjection.open = opened;
  }
}
