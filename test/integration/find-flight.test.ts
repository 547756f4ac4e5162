import postgres from "postgres";
import { expect, test, vi } from "vitest";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import { FindLedger } from "../../src/ledger/find-ledger.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld({ faiss: false, redis: false });

test("a step of a list goes out in one flight: the end of its transaction does not wait for its answer", async () => {
  const { sync, sql: other, databaseUrl } = shared.current;
  for (const memoryId of ["a", "b", "c"]) await sync.syncMemory(memoryId, { content: "c", memoryType: "t" });
  const sent: string[] = [];
  const debug = (_connection: number, query: string) => void sent.push(query);
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false, debug });
  const locking = await other.reserve();
  try {
    const access = { use: (_: AbortSignal, call: (connection: object) => unknown) => call({ sql }) };
    const ledger = new FindLedger(access as never, 60_000);
    const order = { sortField: null, isDescending: false, after: null };
    const bounds = { rowsMax: 3, limit: 2, bytesMax: 1_000_000, readsFirst: true, withEmbedding: false };
    const query = { namespace: "default", condition: parseFilter({}), ...order, ...bounds };
    await ledger.readPageStep(query, NEVER); // The driver asks for the types of a statement once.
    await locking`begin`;
    await locking`lock table mnemosync.memory_versions in access exclusive mode`;
    sent.length = 0;
    const reading = ledger.readPageStep(query, NEVER);
    const flight = [expect.stringContaining("begin"), expect.stringContaining("memory_versions"), "commit"];
    await vi.waitFor(() => expect(sent).toEqual(flight), 30_000);
    await locking`rollback`;
    const { scanned, passing, rows } = await reading;
    expect([scanned, passing]).toEqual([3, 3]);
    expect(rows.map(({ memoryId }) => memoryId)).toEqual(["a", "b"]);
  } finally {
    await locking`rollback`;
    locking.release();
    await sql.end();
  }
});
