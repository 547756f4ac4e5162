import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createReceiver, type Message } from "../../examples/webhook-receiver.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { newSecret, signedHeaders } from "../../src/webhooks/signature.ts";
import { openWebhookWorld } from "../support/webhook-world.ts";

/** Goal: the receivers of examples/ and docs/webhooks.md take what the service sends, and nothing else. */

test("the example's receiver keeps each message once, asks again for what it could not keep, and refuses forgeries", async (t) => {
  const world = await openWebhookWorld(t);
  const secret = newSecret();
  const kept: string[] = [];
  let failures = 1;
  const receiver = createReceiver({
    secrets: [secret],
    onMessage: ({ type, data }: Message) => {
      if (failures-- > 0) throw new Error("the disk is full");
      kept.push(`${type} ${data.memoryId}@${data.version}`);
    },
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(async () => {
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  });
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  await world.sync.subscriptions.create({ url }, { secret });
  await world.put(world.memory(1));
  await pollUntil("the first message", 60_000, () => kept.length === 1);
  await world.sync.delete("m1");
  await pollUntil("the second message", 60_000, () => kept.length === 2);
  expect(kept).toEqual(["memory.put m1@1", "memory.deleted m1@2"]);
  const post = async (headers: Record<string, string>, body: string) =>
    (await fetch(url, { method: "POST", headers, body })).status;
  const body = '{"type":"memory.put","timestamp":"2026-01-01T00:00:00.000Z","data":{}}';
  const now = Math.floor(Date.now() / 1_000);
  const genuine = signedHeaders({ id: "msg_a", timestamp: now, body }, [secret]);
  expect(await post(signedHeaders({ id: "msg_a", timestamp: now, body }, [newSecret()]), body)).toBe(401);
  expect(await post(genuine, body.replace("put", "deleted"))).toBe(401);
  expect(await post({ ...genuine, "webhook-id": "msg_b" }, body)).toBe(401);
  expect(await post(signedHeaders({ id: "msg_a", timestamp: now - 3_600, body }, [secret]), body)).toBe(401);
  expect(await post({}, body)).toBe(401);
  expect(kept).toHaveLength(2);
  expect([await post(genuine, body), await post(genuine, body)]).toEqual([204, 204]);
  expect(kept).toHaveLength(3);
});

test("the verification code of docs/webhooks.md tells genuine calls from others, in Node and in Python", async (t) => {
  const page = await readFile(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
  const code = (language: string): string => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? "";
  const secret = newSecret();
  const body = '{"type":"memory.put","data":{"memoryId":"ä"}}';
  const headers = signedHeaders({ id: "msg_a", timestamp: Math.floor(Date.now() / 1_000), body }, [
    newSecret(),
    secret,
  ]);
  const old = signedHeaders({ id: "msg_a", timestamp: 1_700_000_000, body }, [secret]);
  const cases: readonly (readonly [Record<string, string>, string, boolean])[] = [
    [headers, body, true],
    [headers, `${body} `, false],
    [{ ...headers, "webhook-id": "msg_b" }, body, false],
    [old, body, false],
  ];
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-docs-"));
  t.onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "verify.mts"), code("ts"));
  const { isGenuine } = (await import(join(folder, "verify.mts"))) as {
    isGenuine: (headers: object, body: string, secret: string) => boolean;
  };
  const expected = cases.map(([, , isExpected]) => isExpected);
  expect(cases.map(([given, text]) => isGenuine(given, text, secret))).toEqual(expected);
  const python = `${code("python")}
import json, sys
given = json.loads(sys.argv[1])
print(json.dumps([is_genuine(headers, body.encode(), given["secret"]) for headers, body, _ in given["cases"]]))`;
  const input = JSON.stringify({ cases, secret });
  const answer = await promisify(execFile)("python3", ["-c", python, input]);
  expect(JSON.parse(answer.stdout)).toEqual(expected);
});
