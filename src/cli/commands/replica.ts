import { parseOptions } from "../../config/parse.ts";
import { deadLettersDocument, replicaStatusDocument, verificationDocument } from "../../documents/replica-documents.ts";
import { PostgresPool } from "../../drivers/postgres/postgres-pool.ts";
import { NO_REDIS } from "../../drivers/settings.ts";
import type { MemorySynchronizer } from "../../index.ts";
import { promoteReplica } from "../../replica/promote.ts";
import type { ReplicaReport } from "../../replica/report.ts";
import type { Verification } from "../../replica/verifier.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { connectOptions } from "../options.ts";
import { counted } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { wholeNumber } from "./scope.ts";

type Action = (replica: MemorySynchronizer["replica"], invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, Action | "promote">> = {
  status: async (replica, { signal }) => shown(await replica.status({ signal })),
  pause: async (replica, { signal }) => shown(await replica.pause({ signal })),
  resume: async (replica, { signal }) => shown(await replica.resume({ signal })),
  backfill: async (replica, { signal }) => shown(await replica.backfill({ signal })),
  "dead-letters": async (replica, { flags, signal }) => {
    const letters = await replica.deadLetters({ limit: flags.limit as number, signal });
    const heads = ["id", "operation", "memory", "attempts", "state", "last error"].map((head) => ({ head }));
    const rows = letters.map((letter) => [
      letter.id,
      letter.operation,
      `${letter.namespace}/${letter.memoryId}`,
      String(letter.attempts),
      letter.nextAttemptAt === null ? "dead" : "waiting",
      letter.lastError,
    ]);
    const text = letters.length === 0 ? "the replica refuses nothing" : columns(heads, rows);
    return { exitCode: letters.length === 0 ? EXIT.ok : EXIT.findings, json: deadLettersDocument(letters), text };
  },
  retry: async (replica, invocation) => {
    const memories = await replica.retry({ ...idOf(invocation), signal: invocation.signal });
    return { exitCode: EXIT.ok, json: { memories }, text: `${counted(memories, "dead letter")} due again` };
  },
  drop: async (replica, invocation) => {
    const { dropped, kept } = await replica.drop({ ...idOf(invocation), signal: invocation.signal });
    const rest = kept === 0 ? "" : `; ${counted(kept, "ending")} kept: the replica must be told of them`;
    return { exitCode: EXIT.ok, json: { dropped, kept }, text: `${counted(dropped, "dead letter")} forgotten${rest}` };
  },
  verify: async (replica, { flags, signal }) => {
    const verification = await replica.verify({
      repair: flags.repair === true,
      deep: flags.deep === true,
      timeoutMs: VERIFY_MS,
      signal,
    });
    const isLeft = verification.findings.some(({ repaired }) => repaired !== true) || verification.cut;
    return {
      exitCode: isLeft ? EXIT.findings : EXIT.ok,
      json: verificationDocument(verification),
      text: verificationText(verification),
    };
  },
  promote: "promote",
};

/** Milliseconds of a verification: a day. It is long work, and ends with Ctrl-C. */
const VERIFY_MS = 86_400_000;

export const replicaCommand: CliCommand = {
  configure(command) {
    command
      .option("--limit <entries>", "with dead-letters: entries, at most", wholeNumber, 100)
      .option("--repair", "with verify: send again what differs")
      .option("--deep", "with verify: check the replica's contents against their checksums too")
      .option("--force", "with promote: also a replica that is incomplete");
  },
  async run(invocation) {
    const [action = "status"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    if (act === "promote") return await promote(invocation);
    return await withSynchronizer(invocation, (sync) => act(sync.replica, invocation), withoutIndex);
  },
};

/** The primary is not asked: it may be lost. */
async function promote({ settings, flags, signal }: Invocation): Promise<CommandResult> {
  const options = parseOptions(connectOptions({ postgresUrl: "postgres://lost", redisUrl: NO_REDIS, ...settings }));
  const { postgresUrl } = options.replica;
  if (postgresUrl === undefined) throw new UsageError("replica promote needs the replica: --replica-postgres-url");
  const postgres = new PostgresPool(postgresUrl, { max: 1 });
  try {
    const promotion = await withDeadline(options.callTimeoutMs, signal, (deadline) =>
      promoteReplica(postgres, { force: flags.force === true }, deadline),
    );
    const text = [
      `the replica of ledger ${promotion.formerLedger} is ledger ${promotion.ledger} now, with ${counted(promotion.memories, "memory", "memories")}`,
      "point postgresUrl at it, give it a Redis prefix and an index folder of its own, and turn replica.enabled off; see docs/replica.md",
    ].join("\n");
    return { exitCode: EXIT.ok, json: promotion, text };
  } finally {
    await postgres.close();
  }
}

function idOf({ args }: Invocation): { id?: string } {
  const [, id] = args;
  return id === undefined ? {} : { id };
}

function shown(report: ReplicaReport): CommandResult {
  const json = replicaStatusDocument(report);
  const { lag, deadLetters, cursor: _cursor, ...rest } = json;
  const lines: [string, unknown][] = [
    ...Object.entries(rest),
    ["lag", lag === null ? null : `${counted(lag.changes, "change")}, ${Math.round(lag.seconds)} s`],
    ["deadLetters", deadLetters === null ? null : `${deadLetters.dead} dead, ${deadLetters.waiting} waiting`],
  ];
  const told = lines.filter(([, value]) => value !== null);
  const width = Math.max(...told.map(([name]) => name.length));
  const isTrouble = (deadLetters?.dead ?? 0) > 0 || (report.state !== "off" && !report.isUp);
  return {
    exitCode: isTrouble ? EXIT.findings : EXIT.ok,
    json,
    text: told.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join("\n"),
  };
}

function verificationText({ checked, findings, underway, cut, bucketsCompared }: Verification): string {
  const summary = `${counted(checked, "memory", "memories")} compared, ${counted(bucketsCompared, "bucket")} looked at closely`;
  const notes = [
    ...(underway > 0 ? [`${counted(underway, "memory", "memories")} on their way`] : []),
    ...(cut ? ["more than 10,000 differ: the rest is not named"] : []),
  ];
  if (findings.length === 0) return [summary, "nothing differs", ...notes].join("\n");
  const heads = ["kind", "memory", "primary", "replica", "repaired"].map((head) => ({ head }));
  const rows = findings.map((finding) => [
    finding.kind,
    `${finding.namespace}/${finding.memoryId}`,
    String(finding.primaryVersion ?? ""),
    String(finding.replicaVersion ?? ""),
    finding.repaired === null ? "" : finding.repaired ? "yes" : "no",
  ]);
  return [summary, ...notes, columns(heads, rows)].join("\n");
}
