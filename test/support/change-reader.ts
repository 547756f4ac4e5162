import { openSync, writeSync } from "node:fs";
import { type ConnectOptions, MemorySynchronizer } from "../../src/index.ts";
import { toldChange } from "./told-change.ts";

/** A reader in a process of its own, to be killed: appends each event to a file, with its cursor, one line each. */
interface Order {
  readonly options: ConnectOptions;
  readonly file: string;
  readonly cursor?: string;
  readonly namespaces: readonly string[];
}

const { options, file, cursor, namespaces } = JSON.parse(process.argv[2] ?? "{}") as Order;
const sync = await MemorySynchronizer.connect(options);
const output = openSync(file, "a");
process.stdout.write("ready\n");
for await (const event of sync.changes({ namespaces, pageSize: 20, waitMs: 1_000, ...(cursor && { cursor }) })) {
  writeSync(output, `${JSON.stringify(toldChange(event))}\n`);
}
