import { readFile } from "node:fs/promises";
import { Option } from "commander";
import { conflictDetailsDocument, conflictsDocument } from "../../documents/consistency-documents.ts";
import { IMPORT_ID } from "../../domain/store-id.ts";
import type {
  ConflictDecision,
  ConflictDetails,
  ConflictSide,
  ConflictSummary,
  MemorySynchronizer,
} from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { counted, printable } from "../output.ts";
import { withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";
import { checkStores, wholeNumber } from "./scope.ts";

const ACTIONS = ["list", "show", "resolve"] as const;

export const conflictsCommand: CliCommand = {
  configure(command) {
    command.addOption(
      new Option("--state <state>", "with list: conflicts in this state (default pending)").choices([
        "pending",
        "resolved",
        "failed",
      ]),
    );
    command.option("--limit <records>", "with list: records, at most", wholeNumber, 100);
    command.option("--after <id>", "with list: only conflicts after this id");
    command.option("--choose <store>", "with resolve: the side that wins: postgres, the other side's store, or import");
    command.option("--document <file>", "with resolve: a JSON file with the content that wins over both sides");
    command.option("--remove", "with resolve: keep neither side, if the ledger does not know the memory");
  },
  async run(invocation) {
    const [action = "list", id] = invocation.args;
    if (!ACTIONS.some((known) => known === action)) {
      throw new UsageError(`unknown action ${JSON.stringify(action)}: expected ${ACTIONS.join(", ")}`);
    }
    if (action !== "list" && id === undefined) throw new UsageError(`conflicts ${action} needs the conflict's id`);
    const decision = action === "resolve" ? await readDecision(invocation) : null;
    return await withSynchronizer(invocation, async (sync) => {
      if (decision !== null) return await resolve(sync, invocation, id as string, decision);
      return action === "list" ? await list(sync, invocation) : await show(sync, invocation, id as string);
    });
  },
};

async function list(sync: MemorySynchronizer, { flags, signal }: Invocation): Promise<CommandResult> {
  const conflicts = await sync.conflicts.list({
    limit: flags.limit as number,
    ...(flags.state !== undefined && { state: flags.state as ConflictSummary["state"] }),
    ...(flags.after !== undefined && { after: flags.after as string }),
    signal,
  });
  const waits = conflicts.some(({ state }) => state === "pending");
  return {
    exitCode: waits ? EXIT.findings : EXIT.ok,
    json: conflictsDocument(conflicts),
    text: conflicts.length === 0 ? "no conflict awaits a decision" : listText(conflicts),
  };
}

function listText(conflicts: readonly ConflictSummary[]): string {
  const heads = [
    { head: "id", align: "right" as const, whole: true },
    { head: "memory", whole: true },
    ...["store", "kind", "ledger", "found", "state", "strategy", "why"].map((head) => ({ head })),
  ];
  const rows = conflicts.map((conflict) => [
    conflict.id,
    `${conflict.namespace}/${conflict.memoryId}`,
    conflict.store,
    conflict.kind,
    versionText(conflict.ledgerVersion),
    versionText(conflict.foundVersion),
    conflict.state,
    conflict.strategy,
    conflict.pendingBecause ?? conflict.resolution ?? "",
  ]);
  return `${columns(heads, rows)}\n\n${counted(conflicts.length, "record")}; see one: mnemosync conflicts show <id>`;
}

async function show(sync: MemorySynchronizer, { signal }: Invocation, id: string): Promise<CommandResult> {
  const conflict = await sync.conflicts.show(id, { signal });
  return { exitCode: EXIT.ok, json: conflictDetailsDocument(conflict, true), text: detailsText(conflict) };
}

function detailsText(conflict: ConflictDetails): string {
  const { id, namespace, memoryId, store, kind, state, strategy, pendingBecause, resolution, evidence } = conflict;
  const { ledger, found, differences } = conflict;
  const facts: [string, string][] = [
    ["conflict", `${id}, ${state}, strategy ${strategy}`],
    ["memory", `${namespace}/${memoryId}`],
    ["found", `${kind} in ${store}: ${evidence}`],
    ...(pendingBecause === null ? [] : [["pending", pendingBecause] as [string, string]]),
    ...(resolution === null ? [] : [["resolution", resolution] as [string, string]]),
  ];
  const lines = facts.map(([name, value]) => `${name.padEnd(10)}  ${printable(value)}`);
  const heads = ["", "ledger", store].map((head) => ({ head }));
  const both = (name: string, pick: (side: ConflictSide) => string): string[] => [name, pick(ledger), pick(found)];
  const rows = [
    both("version", (side) => versionText(side.version)),
    both("modified", (side) => (side.modifiedAt === null ? "-" : timeText(side.modifiedAt))),
    both("vector", (side) => (side.embedding === null ? "-" : `${side.embedding.length} numbers`)),
    both("written by", (side) => (side.versionVector === null ? "-" : JSON.stringify(side.versionVector))),
    ...(differences?.fields ?? []).map(({ path, left, right }) => [
      path,
      left === undefined ? "-" : JSON.stringify(left),
      right === undefined ? "-" : JSON.stringify(right),
    ]),
  ];
  const foot =
    state === "pending"
      ? `\n\nto decide: mnemosync conflicts resolve ${id} --choose postgres | --choose ${store} | --document <file>`
      : "";
  return `${lines.join("\n")}\n\n${columns(heads, rows)}${foot}`;
}

async function resolve(
  sync: MemorySynchronizer,
  { signal }: Invocation,
  id: string,
  decision: ConflictDecision,
): Promise<CommandResult> {
  if ("choose" in decision) checkStores(sync, "--choose", [decision.choose], [IMPORT_ID]);
  const { outcome, note } = await sync.conflicts.resolve(id, decision, { signal });
  return {
    exitCode: outcome === "repaired" ? EXIT.ok : EXIT.findings,
    json: { id, outcome, note },
    text: `conflict ${id}: ${outcome}, ${printable(note)}`,
  };
}

async function readDecision({ flags }: Invocation): Promise<ConflictDecision> {
  const { choose, document, remove } = flags;
  const given = [choose, document, remove].filter((flag) => flag !== undefined);
  if (given.length !== 1) throw new UsageError("conflicts resolve needs one of --choose, --document and --remove");
  if (choose !== undefined) return { choose: choose as string };
  if (remove !== undefined) return { remove: true };
  const file = document as string;
  try {
    return JSON.parse(await readFile(file, "utf8")) as ConflictDecision; // Checked like any memory that is written.
  } catch (error) {
    throw new UsageError(`--document ${file}: ${(error as Error).message}`);
  }
}

function versionText(version: number | null): string {
  return version === null ? "-" : String(version);
}
