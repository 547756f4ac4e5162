import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, onTestFinished, test, vi } from "vitest";
import type { CommandResult, Invocation } from "../../src/cli/command.ts";
import { connectorCommand } from "../../src/cli/commands/connector.ts";
import { EXIT, exitCodeOf } from "../../src/cli/exit.ts";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { useDeployment } from "../support/connectors/deployment.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";

/**
 * Goal: each action of `mnemosync connector` answers with its document, its text and its exit code. Method: the command itself, in
 * this process, as the program calls it.
 */

vi.setConfig({ testTimeout: 240_000 });
const deployment = useDeployment();

async function connector(...args: readonly string[]): Promise<CommandResult> {
  const parsed = new Command("connector").exitOverride().argument("[action...]");
  connectorCommand.configure?.(parsed);
  parsed.action(() => undefined);
  await parsed.parseAsync(args, { from: "user" });
  const { postgresUrl, redisUrl, redisPrefix } = deployment.world.connectOptions;
  const invocation = {
    settings: { postgresUrl, redisUrl, redisPrefix, connectors: { secretKey: CONNECTOR_KEY } },
    ...{ layers: {}, args: parsed.args, flags: parsed.opts(), json: true, environment: {}, log: silentLog },
    ...{ signal: new AbortController().signal, say: () => undefined, note: () => undefined },
  };
  // Without what the program itself reads: `commands` and `programOptions`, of which this command knows nothing.
  return await connectorCommand.run(invocation as unknown as Invocation);
}

/** The document of an action, which must be as declared, and its exit code as expected. */
async function answer(exitCode: number, schema: string, ...args: readonly string[]) {
  const result = await connector(...args);
  expect([result.exitCode, result.text], args.join(" ")).toEqual([exitCode, expect.any(String)]);
  return DOCUMENTS[schema]?.parse(result.json) as Record<string, unknown> & { readonly id: string };
}

/** The exit code of an action that fails as the program gives it, and the code of its error. */
async function failure(...args: readonly string[]): Promise<[number, string]> {
  const error: unknown = await connector(...args).then(
    () => null,
    (caught: unknown) => caught,
  );
  return [exitCodeOf(error), (error as { code: string }).code];
}

const tooLarge = () =>
  deployment.space.put({ id: "big", created_at: "2026-01-01T00:00:00Z", transcript: "x".repeat(1_100_000) });

test("definitions are made, shown, replaced, tested and removed: as text or from a file, and no answer has the key", async () => {
  const { id, importing } = deployment;
  const folder = await mkdtemp(join(tmpdir(), "connector-command-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const made = await connector("add", id, JSON.stringify(importing()));
  expect(DOCUMENTS.connector?.parse(made.json)).toMatchObject({ id, origin: "api", revision: 1, invalid: null });
  expect(JSON.stringify(made)).not.toContain("secret-key");

  const path = join(folder, "connector.yaml");
  await writeFile(
    path,
    `from: ${JSON.stringify(deployment.from())}\nto: { type: memories, namespace: ${id} } # here\n`,
  );
  expect(await answer(0, "connector", "replace", id, path)).toMatchObject({ revision: 2 });
  expect(await answer(0, "connector", "show", id)).toMatchObject({ definition: { from: { apiKey: "(hidden)" } } });
  expect((await connector("test", id)).json).toEqual({ ok: true });
  expect(await answer(0, "connectors", "list")).toMatchObject({ connectors: [{ id, state: "idle" }] });
  expect(await answer(0, "connectors", "status")).toMatchObject({ connectors: [{ id }] });
  expect(await answer(0, "connector-status", "status", id)).toMatchObject({ id, direction: "import", lastRun: null });

  await writeFile(path, "from: { type: ");
  expect(await failure("replace", id, path)).toEqual([EXIT.failed, "USAGE"]);
  expect(await failure("replace", id, join(folder, "absent.yaml"))).toEqual([EXIT.failed, "USAGE"]);
  expect(await failure("add", id)).toEqual([EXIT.failed, "USAGE"]);
  expect(await failure("show")).toEqual([EXIT.failed, "USAGE"]);
  expect(await failure("frobnicate", id)).toEqual([EXIT.failed, "USAGE"]);
  expect(await failure("add", `${id}-bad`, '{"from":{"type":"memories"}}')).toEqual([EXIT.failed, "VALIDATION"]);
  expect(await failure("add", id, JSON.stringify(importing()))).toEqual([EXIT.failed, "CONFIGURATION"]);
  expect((await connector("remove", id)).json).toEqual({ removed: id });
  expect(await failure("show", id)).toEqual([EXIT.findings, "NOT_FOUND"]);
  expect(await failure("sync", id)).toEqual([EXIT.findings, "NOT_FOUND"]);
  const none = await connector("list");
  expect([none.exitCode, none.text]).toEqual([0, "there are no connectors"]);
});

test("runs of this process: dry, by changes, in full, cut, partial, failed; each with its exit code", async () => {
  const { id, importing, items, space } = deployment;
  items(3);
  await connector("add", id, JSON.stringify(importing()));
  const dry = await connector("sync", id, "--full", "--dry-run", "--here");
  expect(DOCUMENTS["connector-run"]?.parse(dry.json)).toMatchObject({ dryRun: true, counts: { created: 3 } });
  expect([dry.exitCode, dry.text]).toEqual([0, "would be: succeeded: 3 read, 3 created"]);
  expect((await connector("runs", id)).text).toBe("it has not run yet");
  expect(await failure("watch", id)).toEqual([EXIT.failed, "USAGE"]);

  expect(await answer(EXIT.partial, "connector-run", "sync", id, "--here", "--limit", "1")).toMatchObject({
    ...{ state: "partial", counts: { created: 1 }, error: { code: "INCOMPLETE" } },
  });
  expect(await answer(0, "connector-run", "sync", id, "--here")).toMatchObject({
    ...{ state: "succeeded", scope: "changes", dryRun: false, counts: { created: 2 } },
  });
  expect(await answer(0, "connector-run", "backfill", id, "--here", "--force")).toMatchObject({ scope: "full" });
  tooLarge();
  expect(await answer(EXIT.partial, "connector-run", "sync", id, "--full", "--here")).toMatchObject({
    ...{ state: "partial", counts: { failed: 1 } },
  });
  expect(await answer(EXIT.findings, "connector-status", "status", id)).toMatchObject({ deadLetters: 1 });
  expect(await answer(EXIT.findings, "connectors", "list")).toMatchObject({ connectors: [{ deadLetters: 1 }] });

  space.faultOf = () => ({ kind: "status", status: 400, body: '{"error":"no"}' });
  const failed = await connector("sync", id, "--here");
  expect(failed).toMatchObject({ exitCode: EXIT.failed, text: expect.stringContaining("SERVICE_FAILED") });
  expect(DOCUMENTS["connector-run"]?.parse(failed.json)).toMatchObject({ state: "failed" });
  expect(await failure("test", id)).toEqual([EXIT.failed, "SERVICE_FAILED"]);
  expect(await answer(EXIT.failed, "connector-run", "watch", id)).toMatchObject({ state: "failed" });
  const runs = (await answer(0, "connector-runs", "runs", id, "--limit", "2")).runs as { id: string; state: string }[];
  expect(runs.map(({ state }) => state)).toEqual(["failed", "partial"]);
  expect(await answer(EXIT.partial, "connector-run", "watch", id, runs[1]?.id ?? "")).toMatchObject({
    state: "partial",
  });
  expect(await answer(EXIT.findings, "connector-status", "reset", id)).toMatchObject({ cursor: null, imported: 3 });

  space.faultOf = () => ({ kind: "status", status: 401, body: '{"error":"bad key"}' });
  expect(await answer(EXIT.failed, "connector-run", "sync", id, "--here")).toMatchObject({
    error: { code: "AUTHENTICATION" },
  });
  const stopped = await connector("status", id);
  expect(stopped).toMatchObject({ exitCode: EXIT.findings, text: expect.stringContaining("does not take the key") });
});

test("runs of a node that serves: queued, refused while one is open, cancelled, waited for; paused and resumed", async () => {
  const { id, importing, items, node } = deployment;
  items(2);
  await connector("add", id, JSON.stringify(importing({ schedule: { everyMs: 3_600_000 } })));
  expect(await answer(0, "connector-status", "pause", id)).toMatchObject({
    ...{ state: "paused", pausedBecause: "operator", nextRunAt: null },
  });
  const queued = await connector("sync", id);
  expect([queued.exitCode, queued.text]).toEqual([0, expect.stringContaining(`mnemosync connector watch ${id}`)]);
  expect(DOCUMENTS["connector-run"]?.parse(queued.json)).toMatchObject({ state: "queued", startedAt: null });
  expect(await failure("sync", id)).toEqual([EXIT.failed, "CONNECTOR_RUNNING"]);
  expect(await failure("reset", id)).toEqual([EXIT.failed, "CONNECTOR_RUNNING"]);
  expect(await failure("remove", id)).toEqual([EXIT.failed, "CONNECTOR_RUNNING"]);
  expect((await connector("cancel", id)).json).toMatchObject({ run: { state: "cancelled" } });
  expect((await connector("cancel", id)).json).toEqual({ run: null });

  node().start();
  expect(await answer(0, "connector-run", "sync", id, "--wait")).toMatchObject({ state: "succeeded" });
  expect(await answer(0, "connector-run", "backfill", id, "--wait")).toMatchObject({ scope: "full" });
  expect(await answer(0, "connector-run", "sync", id, "--dry-run")).toMatchObject({ dryRun: true, state: "succeeded" });
  expect(await answer(0, "connector-status", "resume", id)).toMatchObject({
    ...{ pausedBecause: null, nextRunAt: expect.any(String) },
  });
});

test("dead letters are listed, tried again and forgotten", async () => {
  const { id, importing, delivering } = deployment;
  await connector("add", id, JSON.stringify(importing()));
  tooLarge();
  await connector("sync", id, "--here");
  const listed = await connector("dead-letters", "list", id);
  expect(listed).toMatchObject({ exitCode: EXIT.findings, text: expect.stringContaining("VALIDATION") });
  expect(DOCUMENTS["connector-dead-letters"]?.parse(listed.json)).toMatchObject({
    ...{ deadLetters: [{ id: "big", side: "from", attempts: 1 }], cursor: null },
  });
  expect((await connector("dead-letters", id)).exitCode).toBe(EXIT.findings);
  expect(await answer(EXIT.partial, "connector-run", "dead-letters", "replay", id, "--here")).toMatchObject({
    ...{ scope: "replay", counts: { read: 1, failed: 1 } },
  });
  const made = await connector("dead-letters", "replay", id, "big");
  expect([made.exitCode, made.json]).toEqual([0, expect.objectContaining({ state: "queued", scope: "replay" })]);
  await connector("cancel", id);
  expect((await connector("dead-letters", "drop", id, "absent")).json).toEqual({ dropped: 0 });
  const dropped = await connector("dead-letters", "drop", id, "big");
  expect([dropped.json, dropped.text]).toEqual([{ dropped: 1 }, "1 dead letter forgotten"]);
  const none = await connector("dead-letters", "list", id);
  expect([none.exitCode, none.text]).toEqual([0, "there are no dead letters"]);
  expect(await failure("dead-letters")).toEqual([EXIT.failed, "USAGE"]);

  await connector("add", `${id}-out`, JSON.stringify(delivering()));
  expect(await failure("sync", `${id}-out`, "--dry-run")).toEqual([EXIT.failed, "VALIDATION"]);
});
