/**
 * Question: how fast do an export and an import with history go, and do both sides end equal?
 *
 *     node --expose-gc --import tsx bench/portable.ts [--memories 20000] [--dimension 384]
 *
 * Real servers. Every second memory has a replaced version, every tenth was deleted. The import goes into empty stores; a
 * deep check must be clean there and a second export equal to the first byte for byte, or nothing is printed.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { openServices } from "../src/dev/services.ts";
import { exportLine, MemorySynchronizer } from "../src/index.ts";
import { sampleMemory } from "../test/support/memories.ts";
import { type Cost, measured } from "./support/measure.ts";

const { values } = parseArgs({ options: { memories: { type: "string" }, dimension: { type: "string" } } });
const memories = Number(values.memories ?? 20_000);
const dimension = Number(values.dimension ?? 384);

async function* inputs(step: number, fields: { content?: string } = {}) {
  for (let number = 0; number < memories; number += step) yield sampleMemory(number, dimension, fields);
}

async function* exportText(sync: MemorySynchronizer): AsyncGenerator<string> {
  for await (const record of sync.exportMemories({ history: true })) yield exportLine(record);
}

function show(what: string, cost: Cost<unknown>, versions: number): void {
  const { ms, loopP99Ms, rssGrowthMiB } = cost;
  const rate = Math.round((versions / ms) * 1_000);
  console.log(
    `${what}: ${(ms / 1_000).toFixed(1)} s, ${rate} versions/s, loop p99 +${loopP99Ms.toFixed(0)} ms, RSS +${rssGrowthMiB.toFixed(0)} MiB`,
  );
}

const services = await openServices({ log: console.error });
const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
const administrator = postgres(services.postgresUrl, { max: 1, onnotice: () => undefined });
const open: MemorySynchronizer[] = [];

async function openStores(name: string): Promise<MemorySynchronizer> {
  await administrator.unsafe(`create database ${name}`);
  const url = new URL(services.postgresUrl);
  url.pathname = `/${name}`;
  const faiss = { directory: join(folder, name), dimension };
  const sync = await MemorySynchronizer.connect({
    postgresUrl: url.href,
    redisUrl: services.redisUrl,
    redisPrefix: name,
    faiss,
  });
  open.push(sync);
  return sync;
}

try {
  const [from, to] = [await openStores("bench_from"), await openStores("bench_to")];
  await from.syncBatch(inputs(1));
  await from.syncBatch(inputs(2, { content: "replaced" }));
  for (let number = 0; number < memories; number += 10) await from.delete(`m${number}`);
  const file = join(folder, "backup.jsonl");
  const exporting = await measured(() => pipeline(Readable.from(exportText(from)), createWriteStream(file)));
  const importing = await measured(() => to.importMemories(createReadStream(file, { highWaterMark: 256 * 1024 })));
  const { read, synced, historyVersions, rejected, complete } = importing.result;
  if (synced !== memories || rejected !== 0 || !complete) throw new Error(JSON.stringify(importing.result));
  const hashes = { file: createHash("sha256"), again: createHash("sha256") };
  await pipeline(createReadStream(file), hashes.file);
  await pipeline(Readable.from(exportText(to)), hashes.again);
  if (hashes.file.digest("hex") !== hashes.again.digest("hex")) throw new Error("the second export differs");
  const check = await to.checkConsistency({ scope: "deep" });
  if (!check.clean) throw new Error(`the deep check found ${check.findings.length} differences`);
  console.log(
    `${memories} memories, ${historyVersions} replaced versions, ${read} records; equal by deep check and by export`,
  );
  show("export", exporting, read);
  show("import", importing, read);
} finally {
  for (const sync of open) await sync.close();
  await administrator.end({ timeout: 1 });
  await services.close();
  await rm(folder, { recursive: true, force: true });
}
