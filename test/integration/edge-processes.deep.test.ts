import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { EdgeStore } from "../../src/edge/index.ts";
import { temporaryFolder } from "../support/edges.ts";
import { serveHub } from "../support/hub-server.ts";
import { MemoryHub } from "../support/memory-hub.ts";

const LOADER = pathToFileURL(fileURLToPath(new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url))).href;
const PROGRAM = fileURLToPath(new URL("../support/edge-process.ts", import.meta.url));

async function world() {
  const hub = new MemoryHub();
  const server = await serveHub(hub);
  onTestFinished(() => server.close());
  const path = `${temporaryFolder()}/edge.db`;
  const run = (prefix: string, mode: string) => {
    const child = spawn(
      process.execPath,
      ["--import", LOADER, PROGRAM, path, server.url, server.apiKey, prefix, mode],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
  const open = async () => {
    const edge = await EdgeStore.open({
      path,
      hub: server.url,
      apiKey: server.apiKey,
      retryBaseMs: 10,
      pushIntervalMs: 100,
    });
    onTestFinished(() => edge.close());
    return edge;
  };
  return { hub, server, path, run, open };
}

/** The last number that the process said; every one of them was acknowledged. */
async function untilSaid(child: ChildProcess, least: number): Promise<() => number> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const last = () => Number(/(\d+)\n[^\n]*$/.exec(text)?.[1] ?? -1);
  await expect.poll(last, { timeout: 25_000 }).toBeGreaterThanOrEqual(least);
  return last;
}

test("killed with -9 in the midst of writing and pushing: every acknowledged write reaches the hub, once", async () => {
  const { hub, run, open } = await world();
  const acknowledged: number[] = [];
  for (const prefix of ["first", "second", "third"]) {
    const child = run(prefix, "sync");
    const last = await untilSaid(child, 20);
    await expect.poll(() => hub.memories.size, { timeout: 60_000 }).toBeGreaterThan(acknowledged.length * 10);
    child.kill("SIGKILL");
    await once(child, "close");
    acknowledged.push(last());
  }
  const edge = await open();
  await edge.syncNow();
  for (const [place, prefix] of ["first", "second", "third"].entries()) {
    for (let index = 0; index <= (acknowledged[place] ?? 0); index++) {
      expect(hub.get(`${prefix}-${index}`)).toMatchObject({
        version: 1,
        memory: { content: `content of ${prefix}-${index}` },
      });
    }
  }
  expect(await edge.status()).toMatchObject({ pending: 0, failed: 0, conflicts: 0 });
}, 240_000);

test("two processes write to one file: the one that syncs pushes the edits of both, and serves a sync of the other", async () => {
  const { hub, run, open } = await world();
  const edge = await open();
  edge.start();
  const child = run("other", "write");
  await once(child, "close");
  await edge.put("own", { content: "own", memoryType: "note" });
  await expect.poll(() => hub.memories.size, { timeout: 60_000 }).toBe(51);
  const second = await open();
  await second.put("asked", { content: "asked", memoryType: "note" });
  expect(await second.syncNow()).toMatchObject({ pending: 0 });
  expect(hub.get("asked")?.memory).toMatchObject({ content: "asked" });
  await expect(second.pushOnce()).rejects.toMatchObject({ problem: "locked" });
  await edge.stop();
  expect(await second.syncNow()).toMatchObject({ pushed: 0, pending: 0 });
}, 240_000);
