import { closeSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { EdgeStore } from "../../src/edge/index.ts";
import { runHere } from "../support/command-here.ts";
import { note, temporaryFolder } from "../support/edges.ts";
import { serveHub } from "../support/hub-server.ts";
import { MemoryHub } from "../support/memory-hub.ts";

/** Goal: the command line of an edge says what it did not do, and mends what it finds. The stories are in `edge-stories.deep.test.ts`. */

test("arguments too many are refused, and nothing is done", async () => {
  const environment = { MNEMOSYNC_EDGE_PATH: `${temporaryFolder()}/edge.db` };
  for (const line of ["pause all", "status x", "retry m1 m2", "conflicts resolve 1 local now"]) {
    const { code, stderr } = await runHere(["sync", ...line.split(" ")], environment);
    expect([line, code, stderr]).toEqual([line, 2, expect.stringContaining("unexpected argument")]);
  }
  expect((await runHere(["sync", "status"], environment)).stdout).not.toContain("paused");
});

test("a damaged file: the doctor names the command that mends it, and that one loses no unsent edit", async () => {
  const hub = new MemoryHub();
  const server = await serveHub(hub);
  onTestFinished(() => server.close());
  const folder = temporaryFolder();
  const path = `${folder}/edge.db`;
  const options = { path, hub: server.url, apiKey: server.apiKey };
  const edge = await EdgeStore.open(options);
  for (let index = 0; index < 300; index++) await edge.put(`m${index}`, note("x".repeat(500)));
  await edge.syncNow();
  await edge.put("unsent", note("written before the damage"));
  await edge.close();
  overwriteInTheMidst(path);

  const environment = {
    MNEMOSYNC_EDGE_PATH: path,
    MNEMOSYNC_EDGE_HUB: server.url,
    MNEMOSYNC_EDGE_API_KEY: server.apiKey,
  };
  const doctor = await runHere(["sync", "doctor", "--json"], environment);
  expect([doctor.code, doctor.stdout]).toEqual([2, expect.stringContaining("mnemosync edge resync")]);
  const resync = await runHere(["sync", "resync"], environment);
  expect([resync.code, resync.stdout]).toEqual([0, expect.stringMatching(/30\d memories from the hub, 1 change up/)]);
  expect(hub.get("unsent")?.memory).toMatchObject({ content: "written before the damage" });
  expect(readdirSync(folder)).toContainEqual(expect.stringContaining("edge.db.damaged-"));
  expect((await runHere(["sync", "doctor"], environment)).code).toBe(0);
});

function overwriteInTheMidst(path: string): void {
  const file = openSync(path, "r+");
  const middle = Math.floor(statSync(path).size / 4_096 / 3);
  for (let page = middle; page < middle + 3; page++) writeSync(file, Buffer.alloc(4_096, 0xaa), 0, 4_096, page * 4_096);
  closeSync(file);
}
