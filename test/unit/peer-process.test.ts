import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PeerProcess } from "../../bench/support/peer-process.ts";
import { isAlive } from "../../src/dev/processes.ts";
import type { EchoCalls } from "../support/echo-peer.ts";

const TIMEOUT_MS = 120_000;

async function start(): Promise<{ peer: PeerProcess<EchoCalls>; endFile: string }> {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-peer-"));
  const endFile = join(directory, "end");
  const peer = PeerProcess.start<EchoCalls>("echo", new URL("../support/echo-peer.ts", import.meta.url), {
    args: [endFile],
  });
  onTestFinished(async () => {
    await peer.kill();
    await rm(directory, { recursive: true });
  });
  return { peer, endFile };
}

test("a peer answers, says why it failed, goes on afterwards, and ends in good order", async () => {
  const { peer, endFile } = await start();
  expect(await peer.request("echo", { numbers: [1, 2.5], vector: new Float32Array([0.5]) }, TIMEOUT_MS)).toEqual({
    numbers: [1, 2.5],
    vector: new Float32Array([0.5]),
  });
  await expect(peer.request("fail", "the disk is full", TIMEOUT_MS)).rejects.toMatchObject({
    reason: "the disk is full",
    message: expect.stringContaining('echo failed at "fail"'),
  });
  expect(await peer.request("echo", "still here", TIMEOUT_MS)).toBe("still here");
  await peer.close();
  await peer.close();
  expect(existsSync(endFile)).toBe(true);
});

test("a peer that gives no answer in time is killed, and later requests say so", async () => {
  const { peer, endFile } = await start();
  await peer.request("echo", "ready", TIMEOUT_MS);
  const processId = peer.processId as number;
  await expect(peer.request("hang", null, 50)).rejects.toThrow('no answer to "hang" within 50 ms and was killed');
  await peer.close();
  expect(isAlive(processId)).toBe(false);
  expect(existsSync(endFile)).toBe(false);
  await expect(peer.request("echo", "anyone?", TIMEOUT_MS)).rejects.toThrow("ended with SIGKILL");
});

test("a peer that ends while it is asked fails the request, with its last words", async () => {
  const { peer } = await start();
  await expect(peer.request("exit", 7, TIMEOUT_MS)).rejects.toThrow(/ended with exit code 7\nlast words/);
});
