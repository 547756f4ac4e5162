import { expect, test, vi } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { commandLineOf } from "../support/command-line.ts";
import { SECRET_KEY } from "../support/webhook-world.ts";
import { openWorld } from "../support/world.ts";

// Each command starts the program.
vi.setConfig({ testTimeout: 240_000 });

test("subscription: each action answers with its document, and the list says which one needs a person", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const line = commandLineOf(world);
  const run = async (schema: string, exitCode: number, ...args: string[]) => {
    const key = ["--webhooks-secret-key", SECRET_KEY, "--webhooks-timeout-ms", "500"];
    const { code, stdout, stderr } = await line.run(["subscription", ...args, ...key, "--json"]);
    expect([code, stderr], args.join(" ")).toEqual([exitCode, expect.anything()]);
    const document = JSON.parse(stdout);
    DOCUMENTS[schema]?.parse(document);
    return document;
  };
  const url = "https://127.0.0.1:9/hooks";
  const where = ["--where", '{"memoryType":{"eq":"semantic"}}'];
  const { id, secret } = await run(
    "subscription-secret",
    0,
    "add",
    url,
    "--namespace",
    "a",
    ...where,
    "--reading",
    "versions",
  );
  expect(secret).toMatch(/^whsec_/);
  expect((await run("subscriptions", 0, "list")).subscriptions).toMatchObject([
    { id, owner: "operator", namespaces: ["a"], reading: "versions" },
  ]);
  expect(await run("subscription-test", 1, "test", id)).toMatchObject({
    accepted: false,
    error: expect.stringMatching(/not public/),
  });
  await run("subscription", 0, "pause", id);
  await run("subscription", 0, "resume", id);
  expect((await run("dead-letters", 0, "dead-letters", id)).deadLetters).toEqual([]);
  expect(await run("dead-letters-replay", 0, "replay", id)).toEqual({ replayed: 0 });
  expect(await run("subscription-delete", 0, "delete", id)).toEqual({ deleted: id });
  const missing = await line.run(["subscription", "show", id]);
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/NOT_FOUND/)]);
});
