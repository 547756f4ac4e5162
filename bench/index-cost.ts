/**
 * What does each optional index (`indexes.text`, `.fields`, `.orders`) cost a write?
 *
 *     npx tsx bench/index-cost.ts [--quick] [--rounds 5]
 *
 * Processor time, and bytes of the write-ahead log without images of pages, which count right on a machine that others use too.
 * The ledgers take turns.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { scenarioSection } from "./harness/markdown.ts";
import { runScenario } from "./harness/run-scenario.ts";
import { startServers } from "./harness/servers.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, rounds: { type: "string" } } });
const module = fileURLToPath(new URL("./support/optional-indexes.ts", import.meta.url));
const listed = { name: "optional-indexes", module, seconds: { quick: 30, full: 240 } };
const servers = await startServers();
const sql = postgres(servers.postgresUrl, { max: 1, onnotice: () => undefined });
try {
  // How many pages are logged as a whole depends on when the last checkpoint was.
  await sql`alter system set full_page_writes = off`;
  await sql`select pg_reload_conf()`;
  const options = { quick: values.quick, trace: false, ...(values.rounds && { rounds: Number(values.rounds) }) };
  const log = (line: string) => console.error(line);
  const outcome = await runScenario(listed, servers, options, log, new AbortController().signal);
  console.log(scenarioSection(outcome));
  if (outcome.failure !== undefined) process.exitCode = 1;
} finally {
  await sql.end();
  await servers.close();
}
