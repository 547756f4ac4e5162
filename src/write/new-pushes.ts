import { keyText } from "../domain/keys.ts";
import type { AppliedChange, PushedFacts } from "../ledger/change-claims.ts";
import type { LockedVersion } from "../ledger/write-statements.ts";
import { bothEnded } from "./both-ended.ts";
import { decide, isWrite, type WriteDecision } from "./plan.ts";
import { PushedChanges } from "./pushed-changes.ts";
import type { RowsResult, RowsTask } from "./rows-task.ts";

/** Changes that devices pushed, each of which is taken to create its memory. */
export interface NewPushes {
  readonly decisions: readonly WriteDecision[];
  /** Their claims, in order. */
  readonly applied: readonly AppliedChange[];
}

/** What is known of a memory and a key that the ledger has no trace of. */
const NO_TRACE: PushedFacts = { epoch: "", device: null, taken: null, privacy: null, holder: null };
const NOTHING_LOCKED: ReadonlyMap<string, LockedVersion> = new Map();

/**
 * The writes and claims of a chunk, if all of it are changes that devices made on no memory, of memories that this process does not
 * know; null: no guess is made. A repeat of changes whose answers were lost is guessed wrong, and then looked for.
 */
export function newPushesOf(task: RowsTask): NewPushes | null {
  const { transaction, intents, token, known, claiming, pushGuess } = task;
  if (pushGuess === undefined || token.optimistic === false || claiming !== undefined || !transaction.flies)
    return null;
  const decisions: WriteDecision[] = [];
  const applied: AppliedChange[] = [];
  for (const intent of intents) {
    const { key, memory, modifiedAt, imported, origin } = intent;
    // The time is the change's own, so that nothing waits for the ledger's.
    if (origin?.expectsNew !== true || memory === null || modifiedAt === null || imported !== undefined) return null;
    if (known.of(keyText(key)) !== undefined) return null;
    const decision = decide(intent, undefined, modifiedAt, token.nodeId);
    if (!isWrite(decision)) return null;
    decisions.push(decision);
    const { device, key: ulid, fingerprint } = origin;
    const holder = origin.holderAfter(NO_TRACE, undefined);
    const { version } = decision.write;
    applied.push({ ...key, device, key: ulid, fingerprint, version, writes: true, holder });
  }
  return pushGuess.isWorthIt() ? { decisions, applied } : null;
}

/** BEGIN, the rows and the claims in one flight, beside the preparation. The facts behind them say whether the changes may be applied. */
export async function writeNewPushes(task: RowsTask, { decisions, applied }: NewPushes): Promise<RowsResult> {
  const { transaction, intents, token, preparation, pushGuess, onStep } = task;
  const writes = decisions.map(({ write }) => write);
  const flying = transaction.beginWithPushed(writes, token, applied);
  const [{ answer, facts }, obstacle] = await bothEnded(flying, preparation.start(decisions));
  if (answer === "guessed_wrong") pushGuess?.missed();
  if (answer !== "written") return { kind: answer };
  // Behind the locks each change gets its own answer: here one of them would end all.
  const pushed = new PushedChanges(intents, { locked: NOTHING_LOCKED, facts });
  if (intents.some((intent) => pushed.decide(intent) !== null)) {
    pushGuess?.missed();
    return { kind: "guessed_wrong" };
  }
  pushGuess?.held();
  await onStep?.("locked");
  if (obstacle !== null) return obstacle;
  return { kind: "written", decisions };
}
