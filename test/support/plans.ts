import postgres from "postgres";
import { FindLedger } from "../../src/ledger/find-ledger.ts";
import type { World } from "./world.ts";

/** The statements that find memories, on a connection of their own. */
export function openFindLedger(
  databaseUrl: string,
  options: postgres.Options<Record<string, never>> = {},
): { readonly ledger: FindLedger; readonly close: () => Promise<void> } {
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false, ...options });
  const access = { use: (_: AbortSignal, call: (connection: object) => unknown) => call({ sql }) };
  return { ledger: new FindLedger(access as never, 60_000), close: () => sql.end() };
}

/** The plan of each statement that `work` sends, under the settings that it makes. */
export async function plansOf(world: World, work: (ledger: FindLedger) => Promise<unknown>): Promise<string[]> {
  const sent: { query: string; parameters: unknown[] }[] = [];
  const debug = (_connection: number, query: string, parameters: unknown[]) => void sent.push({ query, parameters });
  const { ledger, close } = openFindLedger(world.databaseUrl, { debug });
  try {
    await work(ledger);
  } finally {
    await close();
  }
  const connection = await world.sql.reserve();
  const plans: string[] = [];
  try {
    for (const { query, parameters } of sent) {
      if (/^\s*(begin|commit|explain)|set_config/.test(query)) {
        await connection.unsafe(query, parameters as string[]);
        continue;
      }
      // As the driver does: prepared, so that the plan is the one for all values where the settings ask for that.
      await connection.unsafe(`prepare planned as ${query}`);
      const values = parameters.length === 0 ? "" : `(${parameters.map(literal).join(", ")})`;
      const rows = await connection.unsafe(`explain execute planned${values}`);
      await connection.unsafe("deallocate planned");
      plans.push(rows.map((row) => row["QUERY PLAN"]).join("\n"));
    }
  } finally {
    connection.release();
  }
  return plans;
}

function literal(value: unknown): string {
  if (value === null) return "null";
  const text = Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : String(value);
  return `'${text.replaceAll("'", "''")}'`;
}
