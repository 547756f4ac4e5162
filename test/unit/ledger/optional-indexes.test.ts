import { expect, test } from "vitest";
import type { PostgresAccess, Sql } from "../../../src/drivers/postgres/postgres-access.ts";
import { ensureIndexes } from "../../../src/ledger/optional-indexes.ts";
import type { IndexSettings } from "../../../src/ledger/settings.ts";
import { silentLog } from "../../../src/runtime/log.ts";

test("a wait for an index that another process builds ends with its signal, also on a connection that goes on answering", async () => {
  const abort = new AbortController();
  let looks = 0;
  const answer = async ([text = ""]: readonly string[]): Promise<unknown[]> => {
    if (text.includes("indisvalid")) {
      if (++looks === 2) abort.abort(new Error("enough"));
      if (looks > 20) throw new Error("it goes on looking");
    }
    return [];
  };
  const sql = Object.assign(answer, {
    unsafe: async () => {
      throw Object.assign(new Error("the name is taken"), { code: "42P07" });
    },
  }) as unknown as Sql;
  const postgres = {
    use: (_signal: AbortSignal, work: (connection: { sql: Sql }) => Promise<unknown>) => work({ sql }),
  } as unknown as PostgresAccess;
  const settings: IndexSettings = { text: "none", fields: true, orders: [] };
  await expect(ensureIndexes(postgres, settings, silentLog, abort.signal)).rejects.toThrow("enough");
  expect(looks).toBe(2);
});
