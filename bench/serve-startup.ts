/**
 * Question: what does a start of the service take until its first 200 of /readyz on existing data, and how much memory does
 * it hold? How does that compare with another revision?
 *
 *     npm run build && node --import tsx bench/serve-startup.ts [--memories 10000] [--dimension 384] [--rounds 5]
 *     … --against FOLDER    # a clone of another revision, set up and built: both programs in turn
 *
 * The service is a process of its own (dist/program), with a database, a Redis prefix and an index folder of its own, filled
 * by the program's own `import`. Each round starts it, asks /readyz until it answers 200, reads one memory to prove that it
 * works, reads its memory after a second of rest, and stops it. Processor time is what another load changes least.
 * See `Start` in support/served-program.ts for what each line means.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openServices } from "../src/dev/services.ts";
import { ServedProgram, type Start } from "./support/served-program.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    memories: { type: "string" },
    dimension: { type: "string" },
    rounds: { type: "string" },
    against: { type: "string" },
  },
});
const memories = Number(values.memories ?? 10_000);
const dimension = Number(values.dimension ?? 384);
const rounds = Number(values.rounds ?? 5);
const roots = new Map([["here", fileURLToPath(new URL("..", import.meta.url))]]);
if (values.against !== undefined) roots.set("against", resolve(values.against));
for (const root of roots.values()) {
  if (!existsSync(join(root, "dist", "program", "main.js")))
    throw new Error(`${root}: dist/ is missing: npm run build`);
}

function line(number: number): string {
  const embedding = Array.from({ length: dimension }, (_, index) => Math.fround(Math.sin(number * 31 + index * 7)));
  return JSON.stringify({
    memoryId: `m${number}`,
    content: `memory number ${number}`,
    memoryType: "episodic",
    embedding,
  });
}

const MEASURED = ["cpu", "ready", "floor", "index", "rss", "hostRss"] as const;

const services = await openServices({ log: console.error });
const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
try {
  const lines = join(folder, "memories.jsonl");
  await writeFile(lines, Array.from({ length: memories }, (_, number) => line(number)).join("\n"));
  const data = { postgresUrl: services.postgresUrl, redisUrl: services.redisUrl, folder, lines, dimension };
  const programs: { name: string; program: ServedProgram; starts: Start[] }[] = [];
  for (const [name, root] of roots) {
    const program = await ServedProgram.fill(name, root, data);
    await program.start(); // Warms the page cache.
    programs.push({ name, program, starts: [] });
  }
  for (let turn = 0; turn < rounds; turn++) {
    const order = turn % 2 === 0 ? programs : [...programs].reverse();
    for (const { program, starts } of order) starts.push(await program.start());
  }
  console.log(`${memories} memories, ${dimension}-d, ${rounds} rounds; milliseconds and MB`);
  for (const what of MEASURED) {
    for (const { name, starts } of programs) {
      const figures = starts.map((start) => start[what]).sort((a, b) => a - b);
      const [middle, least, most] = [median(figures), figures[0], figures.at(-1)].map((figure) => figure?.toFixed(1));
      console.log(`${what.padEnd(8)} ${name.padEnd(8)} median ${middle?.padStart(7)}   from ${least} to ${most}`);
    }
  }
} finally {
  await services.close();
  await rm(folder, { recursive: true, force: true });
}
