import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { expectGapFree, hasEverything, writeUnderLoad } from "../support/change-load.ts";
import { randomNumbers } from "../support/memories.ts";
import type { ToldChange } from "../support/told-change.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: no reader misses a change, whatever becomes of it. Method: 10,000 changes by four writers while transactions hold
 * back the horizon; the reader is a process of its own that appends each event with its cursor to a file, and is ended by
 * SIGKILL again and again. A line that was torn by it is cut off, and the next reader goes on from the last whole one.
 */

const NAMESPACES = ["a", "c"];
const CHANGES = 10_000;
const KILLS_MIN = 8;

test("10,000 changes under load, a reader killed and resumed: each version once, in order per memory", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { historyVersionsMax: 1_000 } });
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-changes-"));
  const file = join(folder, "told.ndjson");
  const readers: ChildProcess[] = [];
  t.onTestFinished(async () => {
    for (const reader of readers) reader.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });
  const random = randomNumbers(5);
  let isWritten = false;
  const writing = writeUnderLoad(world, CHANGES, random).finally(() => {
    isWritten = true;
  });
  writing.catch(() => undefined); // Told at the end.
  let kills = 0;
  for (let isDone = false; !isDone; ) {
    const told = await toldUntilNow(file);
    const reader = await startReader(world, file, told.at(-1)?.cursor);
    readers.push(reader);
    const wanted = told.length + 1 + Math.floor(random() * 1_500);
    await pollUntil("the reader being told of more, or of everything", 120_000, async () => {
      const now = await toldUntilNow(file);
      if (now.length >= wanted) return true;
      return isWritten && (await hasEverything(world, now, NAMESPACES));
    });
    const exited = once(reader, "exit");
    reader.kill("SIGKILL");
    await exited;
    kills++;
    isDone = isWritten && kills >= KILLS_MIN && (await hasEverything(world, await toldUntilNow(file), NAMESPACES));
  }
  await writing;
  await expectGapFree(world, await toldUntilNow(file), NAMESPACES);
}, 600_000);

/** The whole lines of the file. */
async function toldUntilNow(file: string): Promise<ToldChange[]> {
  if (!existsSync(file)) return [];
  const text = await readFile(file, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ToldChange);
}

async function startReader(world: World, file: string, cursor: string | undefined): Promise<ChildProcess> {
  if (existsSync(file)) {
    const text = await readFile(file, "utf8");
    await truncate(file, Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)));
  }
  const program = fileURLToPath(new URL("../support/change-reader.ts", import.meta.url));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const { postgresUrl } = world.connectOptions;
  const order = { options: { postgresUrl, redisUrl: "none" }, file, cursor, namespaces: NAMESPACES };
  const reader = spawn(process.execPath, ["--import", tsx, program, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(reader.stdout, "data");
  return reader;
}
