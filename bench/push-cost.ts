/**
 * What does a push of an edge cost the edge, the hub and its servers, in processor time; on a machine that others use too?
 *
 *     npx tsx bench/push-cost.ts [--documents 5000] [--rounds 6] [--batches 50,500] [--products now=dist,before=/elsewhere/dist] [--profiles DIR]
 *
 * The products take turns. Each has a hub of its own, as operators run it, and pushes new documents from an edge in this process.
 * `edge` is this process, `program` the hub's, `host` the hub's index, each with all of its threads.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { EdgeStore } from "../src/edge/index.ts";
import { edgeDocument, idOf } from "./edge/documents.ts";
import { HubService } from "./edge/hub-service.ts";
import { startServers } from "./harness/servers.ts";
import { newDatabase } from "./support/new-database.ts";
import { verify } from "./support/report.ts";
import { median } from "./support/statistics.ts";
import { commandOf, processesBelow, threadTimes } from "./support/thread-times.ts";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "5000" },
    rounds: { type: "string", default: "6" },
    batches: { type: "string", default: "50" },
    products: { type: "string", default: "now=dist" },
    profiles: { type: "string" },
  },
});
const [documents, rounds] = [Number(values.documents), Number(values.rounds)];
const sizes = values.batches.split(",").map(Number);
/** Local writes that are under way at once: they share commits. */
const FILLED_AT_ONCE = 500;
const KINDS = ["edge", "program", "postgres", "redis", "host"] as const;
type Times = Record<(typeof KINDS)[number], number>;

const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), "mnemosync-push-cost-"));

interface Product {
  readonly name: string;
  readonly hub: HubService;
  readonly EdgeStore: typeof EdgeStore;
}

async function open(name: string, path: string): Promise<Product> {
  const context = {
    redisUrl: servers.redisUrl,
    newDatabase: () => newDatabase(servers.postgresUrl, `push_${randomBytes(4).toString("hex")}`),
    newDirectory: () => mkdtemp(join(folder, "hub-")),
  };
  const { profiles } = values;
  const nodeArguments = profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${join(resolve(profiles), name)}`];
  const program = resolve(path, "program/main.js");
  const hub = await HubService.start(context, { program, prefix: `push-${name}`, nodeArguments });
  const library = await import(pathToFileURL(resolve(path, "edge/index.js")).href);
  return { name, hub, EdgeStore: library.EdgeStore };
}

/** Pushes new documents once. @returns µs of the processor a document, and documents a second. */
async function push({ name, hub, EdgeStore: Store }: Product, size: number, round: number): Promise<[Times, number]> {
  const namespace = `${name}-${size}-${round}`;
  const path = join(folder, `${namespace}.db`);
  const about = { path, hub: hub.url, apiKey: hub.apiKey, namespaces: [namespace], pushBatchSize: size };
  const edge = await Store.open(about);
  try {
    for (let from = 0; from < documents; from += FILLED_AT_ONCE) {
      const numbers = Array.from({ length: Math.min(FILLED_AT_ONCE, documents - from) }, (_, index) => from + index);
      await Promise.all(numbers.map((number) => edge.put(idOf(number), edgeDocument(number), { namespace })));
    }
    const before = times(hub);
    const beganAt = performance.now();
    const applied = untilApplied(edge);
    const syncing = edge.syncNow();
    syncing.catch(() => undefined); // It is awaited below.
    await Promise.race([applied, syncing]);
    const ms = performance.now() - beganAt;
    const after = times(hub);
    await syncing;
    const found = await hub.count(namespace);
    verify(found === documents, `the hub of ${name} has ${found} of ${documents} documents`);
    const each = (kind: keyof Times): number => (after[kind] - before[kind]) / 1_000 / documents;
    return [Object.fromEntries(KINDS.map((kind) => [kind, each(kind)])) as Times, (documents / ms) * 1_000];
  } finally {
    await edge.close();
  }
}

function untilApplied(edge: EdgeStore): Promise<void> {
  let count = 0;
  return new Promise((done) => {
    const forget = edge.on("pushed", ({ applied }) => {
      count += applied;
      if (count < documents) return;
      forget();
      done();
    });
  });
}

function times({ processId }: HubService): Times {
  const host = processesBelow(processId);
  const found = { edge: threadTimes(process.pid), program: threadTimes(processId), postgres: 0, redis: 0, host: 0 };
  for (const id of host) found.host += threadTimes(id);
  for (const id of processesBelow(process.pid)) {
    const command = commandOf(id);
    if (command.includes("redis-server")) found.redis += threadTimes(id);
    else if (command.includes("postgres") && !command.includes("node")) found.postgres += threadTimes(id);
  }
  return found;
}

const products: Product[] = [];
try {
  for (const item of values.products.split(",")) {
    const [name, path] = item.split("=") as [string, string];
    products.push(await open(name, path));
  }
  const found = new Map<string, { times: Times; rate: number }[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const size of sizes) {
      for (let turn = 0; turn < products.length; turn++) {
        const product = products[(turn + round) % products.length] as Product;
        const [spent, rate] = await push(product, size, round);
        const label = `${product.name}, batches of ${size}`;
        if (round > 0) found.set(label, [...(found.get(label) ?? []), { times: spent, rate }]);
      }
    }
  }
  for (const [label, all] of found) {
    const parts = KINDS.map((kind) => `${kind} ${median(all.map((one) => one.times[kind])).toFixed(0)}`);
    const sums = all.map((one) => KINDS.reduce((sum, kind) => sum + one.times[kind], 0));
    const spread = `${Math.min(...sums).toFixed(0)}–${Math.max(...sums).toFixed(0)}`;
    const rate = median(all.map((one) => one.rate)).toFixed(0);
    console.log(
      `${label.padEnd(24)} µs a document: ${parts.join(", ")}, together ${median(sums).toFixed(0)} (${spread}); ${rate} documents/s`,
    );
  }
} finally {
  for (const { hub } of products) await hub.close();
  await servers.close();
  await rm(folder, { recursive: true, force: true });
}
