/** Where the examples find their stores: the environment names them, as for the command line. */
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @param dimension numbers per vector of the example's embedder. */
export function storesFor(dimension: number) {
  const { MNEMOSYNC_POSTGRES_URL, MNEMOSYNC_REDIS_URL, MNEMOSYNC_FAISS_DIRECTORY } = process.env;
  return {
    postgresUrl: MNEMOSYNC_POSTGRES_URL ?? "postgres://postgres:postgres@127.0.0.1:5432/postgres",
    redisUrl: MNEMOSYNC_REDIS_URL ?? "redis://127.0.0.1:6379",
    // An index holds vectors of one length: examples with other vectors need folders of their own.
    faiss: { directory: MNEMOSYNC_FAISS_DIRECTORY ?? join(tmpdir(), `mnemosync-example-${dimension}`), dimension },
  };
}
