import { copyFile, readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import {
  connectorDocument,
  connectorRunDocument,
  connectorStatusDocument,
} from "../../documents/connector-documents.ts";
import type { Connectors } from "../../index.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { count } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { letterActions } from "./connector-letters.ts";
import { runTable, statusDetails, statusExit, statusTable } from "./connector-texts.ts";
import { ranResult, untilEnded } from "./connector-waiting.ts";
import { wholeNumber } from "./scope.ts";

export type ConnectorAction = (connectors: Connectors, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, ConnectorAction>> = {
  list: async (connectors, { signal }) => {
    const statuses = await connectors.statuses({ signal });
    const text = statuses.length === 0 ? "there are no connectors" : statusTable(statuses);
    const exitCode = statuses.some((status) => statusExit(status) !== EXIT.ok) ? EXIT.findings : EXIT.ok;
    return { exitCode, json: { connectors: statuses.map((status) => connectorStatusDocument(status)) }, text };
  },
  add: async (connectors, invocation) => {
    const id = idOf(invocation);
    const made = await connectors.create(id, await definitionOf(invocation), { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: connectorDocument(made), text: `connector ${id} is made` };
  },
  replace: async (connectors, invocation) => {
    const id = idOf(invocation);
    const made = await connectors.replace(id, await definitionOf(invocation), { signal: invocation.signal });
    return {
      exitCode: EXIT.ok,
      json: connectorDocument(made),
      text: `connector ${id} is at revision ${made.revision}`,
    };
  },
  show: async (connectors, invocation) => {
    const found = await connectors.get(idOf(invocation), { signal: invocation.signal });
    const json = connectorDocument(found);
    return { exitCode: found.invalid === null ? EXIT.ok : EXIT.findings, json, text: JSON.stringify(json, null, 2) };
  },
  remove: async (connectors, invocation) => {
    const id = idOf(invocation);
    await connectors.remove(id, { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { removed: id }, text: `connector ${id} is removed; its memories stay` };
  },
  status: async (connectors, invocation) => {
    const [, id] = invocation.args;
    if (id === undefined) return await (ACTIONS.list as ConnectorAction)(connectors, invocation);
    return shown(await connectors.status(id, { signal: invocation.signal }));
  },
  pause: async (connectors, invocation) =>
    shown(await connectors.pause(idOf(invocation), { signal: invocation.signal })),
  resume: async (connectors, invocation) =>
    shown(await connectors.resume(idOf(invocation), { signal: invocation.signal })),
  reset: async (connectors, invocation) =>
    shown(await connectors.reset(idOf(invocation), { signal: invocation.signal })),
  test: async (connectors, invocation) => {
    await connectors.test(idOf(invocation), { signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { ok: true }, text: "the services answer, and take the keys" };
  },
  sync: (connectors, invocation) => run(connectors, invocation, invocation.flags.full === true ? "full" : "changes"),
  backfill: (connectors, invocation) => run(connectors, invocation, "full"),
  cancel: async (connectors, invocation) => {
    const cancelled = await connectors.cancel(idOf(invocation), { signal: invocation.signal });
    if (cancelled === null) return { exitCode: EXIT.ok, json: { run: null }, text: "no run goes on" };
    return { exitCode: EXIT.ok, json: { run: connectorRunDocument(cancelled) }, text: `run ${cancelled.id} has ended` };
  },
  runs: async (connectors, invocation) => {
    const limit = (invocation.flags.limit as number | undefined) ?? 20;
    const runs = await connectors.runs(idOf(invocation), { limit, signal: invocation.signal });
    const text = runs.length === 0 ? "it has not run yet" : runTable(runs);
    return { exitCode: EXIT.ok, json: { runs: runs.map(connectorRunDocument) }, text };
  },
  watch: async (connectors, invocation) => {
    const id = idOf(invocation);
    const runId = invocation.args[2] ?? (await connectors.runs(id, { limit: 1, signal: invocation.signal }))[0]?.id;
    if (runId === undefined) throw new UsageError(`connector ${id} has not run yet`);
    return ranResult(await untilEnded(connectors, id, runId, invocation));
  },
  media: async (connectors, invocation) => {
    const id = idOf(invocation);
    const [, , sha256] = invocation.args;
    if (sha256 === undefined)
      throw new UsageError(
        "connector media needs the SHA-256 of the file: the metadata of its memory have it under media",
      );
    const { path, contentType, bytes } = await connectors.media(id, sha256, { signal: invocation.signal });
    const { output } = invocation.flags;
    if (typeof output === "string") await copyFile(path, output);
    const json = { connectorId: id, sha256, contentType, bytes, path };
    return { exitCode: EXIT.ok, json, text: `${path}: ${contentType}, ${count(bytes)} bytes` };
  },
  "dead-letters": letterActions,
};

export const connectorCommand: CliCommand = {
  configure(command) {
    command
      .option("--wait", "with sync, backfill and dead-letters replay: wait until the run has ended")
      .option("--here", "the same: run in this process, and wait; by default a node that serves does")
      .option(
        "--dry-run",
        "with sync, backfill and dead-letters replay of a source: count what would be done, and wait for it",
      )
      .option("--full", "with sync: everything, and delete what is gone")
      .option("--output <file>", "with media: copies the file there")
      .option("--force", "with sync and backfill: take items again although they say what they said")
      .option("--allow-mass-delete", "with sync and backfill: delete also where that is more than a fifth")
      .option(
        "--limit <entries>",
        "with sync: items to import; with runs and dead-letters: entries, at most",
        wholeNumber,
      );
  },
  async run(invocation) {
    const [action = "list"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    // A run in this process writes memories: with their vectors, if there is an index.
    const adapt = invocation.flags.here === true ? undefined : withoutIndex;
    return await withSynchronizer(invocation, (sync) => act(sync.connectors, invocation), adapt);
  },
};

async function run(connectors: Connectors, invocation: Invocation, scope: "changes" | "full"): Promise<CommandResult> {
  const { flags, signal } = invocation;
  const id = idOf(invocation);
  const dryRun = flags.dryRun === true;
  const made = await connectors.trigger(id, {
    ...{ scope, dryRun, here: flags.here === true, signal },
    force: flags.force === true,
    allowMassDelete: flags.allowMassDelete === true,
    limit: (flags.limit as number | undefined) ?? null,
  });
  if (!dryRun && flags.wait !== true && flags.here !== true) {
    const text = `run ${made.id} is made: mnemosync connector watch ${id} shows how it goes`;
    return { exitCode: EXIT.ok, json: connectorRunDocument(made), text };
  }
  return ranResult(await untilEnded(connectors, id, made.id, invocation));
}

function shown(status: Parameters<typeof statusDetails>[0]): CommandResult {
  return { exitCode: statusExit(status), json: connectorStatusDocument(status), text: statusDetails(status) };
}

export function idOf({ args }: Invocation): string {
  const [action, id] = args;
  if (id === undefined) throw new UsageError(`connector ${action} needs the id: mnemosync connector list has it`);
  return id;
}

/** A definition of the command line: a path of a file in YAML or JSON, - for standard input, or the text itself. */
async function definitionOf({ args }: Invocation): Promise<unknown> {
  const [action, , given] = args;
  if (given === undefined)
    throw new UsageError(
      `connector ${action} needs a definition: a file in YAML or JSON, - for standard input, or the text`,
    );
  const document = parseDocument(await textOf(given), { stringKeys: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new UsageError(`the definition cannot be read: ${problem.message.split("\n")[0]}`);
  return document.toJS({ maxAliasCount: 100 });
}

async function textOf(given: string): Promise<string> {
  if (given.trimStart().startsWith("{")) return given;
  try {
    return await readFile(given === "-" ? "/dev/stdin" : given, "utf8");
  } catch (cause) {
    throw new UsageError(`the definition cannot be read: ${(cause as Error).message}`, { cause });
  }
}
