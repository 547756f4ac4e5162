import { bucketOf, keyText, type MemoryKey } from "../domain/keys.ts";
import type { GuessedWrite } from "../ledger/version-write.ts";
import type { Begun, BucketedKey, LockedRow } from "../ledger/write-statements.ts";
import { ownTurn } from "../runtime/turns.ts";
import { bothEnded } from "./both-ended.ts";
import type { KnownRows } from "./known-rows.ts";
import { newPushesOf, writeNewPushes } from "./new-pushes.ts";
import { type Decision, decide, isRefused, isWrite, type WriteDecision, type WriteIntent } from "./plan.ts";
import { PushedChanges, pushedOf } from "./pushed-changes.ts";
import type { RowsResult, RowsTask } from "./rows-task.ts";

export type * from "./rows-task.ts";

/**
 * Memories in a chunk that is written by guarded guesses, at most. Larger ones are bulk: what counts there is the work per
 * memory. They are guessed about only where all seem to be new, which go by COPY.
 */
const FLIGHT_MAX = 31;

/** Memories that are decided on and encoded in one turn of the event loop. Deciding on more takes a millisecond or two by itself. */
const ONE_TURN_MAX = 128;

/** Locks, decides and writes the rows of a chunk, and has the projections prepare them meanwhile. */
export async function writeRows(task: RowsTask): Promise<RowsResult> {
  const guesses = guessesOf(task);
  if (guesses !== null) return (await commitAlone(task, guesses)) ?? (await writeInFlight(task, guesses));
  // Encoding hundreds of rows takes milliseconds: chunks whose connections came in one turn do it one after the other.
  if (task.intents.length > FLIGHT_MAX) await ownTurn();
  const pushes = newPushesOf(task);
  if (pushes !== null) return await writeNewPushes(task, pushes);
  const news = newOnesOf(task);
  if (news === null) return await lockThenWrite(task);
  if (news.length > ONE_TURN_MAX) await ownTurn();
  return await writeNewInFlight(task, news);
}

/** An intent's expected decision. */
interface Guess {
  readonly decision: Decision;
  readonly knownTx: string | null;
}

/**
 * What will be decided if the rows are as they are known; null: they must be seen first. A deletion of a memory of which the process
 * knows no row is no guess, also where it would be written: mostly there is a row.
 */
function guessesOf({ intents, token, known }: RowsTask): Guess[] | null {
  if (intents.length > FLIGHT_MAX || token.optimistic === false || intents.some(mustBeSeen)) return null;
  const now = Date.now(); // Stands for the ledger's clock, which comes back with the flight.
  const guesses = intents.map((intent): Guess => {
    const row = known.of(keyText(intent.key));
    return { decision: decide(intent, row, now, token.nodeId), knownTx: row?.txId ?? null };
  });
  return guesses.some(({ decision }) => isWrite(decision)) ? guesses : null;
}

/** Whether an intent is decided on by its row alone: it has a time of its own, or a claim that is read behind the locks. */
function mustBeSeen({ imported, modifiedAt, origin }: WriteIntent): boolean {
  return imported !== undefined || modifiedAt !== null || origin !== undefined;
}

/** The writes of a large chunk whose memories this process does not know, if all of them are new; null: no guess is made. */
function newOnesOf(task: RowsTask): WriteDecision[] | null {
  const { transaction, intents, token, known, claiming, newGuess } = task;
  if (intents.length <= FLIGHT_MAX || token.optimistic === false || claiming !== undefined) return null;
  if (newGuess === undefined || !transaction.flies || intents.some(mustBeSeen)) return null;
  const now = Date.now();
  const decisions: WriteDecision[] = [];
  for (const intent of intents) {
    if (intent.memory === null || known.of(keyText(intent.key)) !== undefined) return null;
    const decision = decide(intent, undefined, now, token.nodeId);
    if (!isWrite(decision)) return null;
    decisions.push(decision);
  }
  return newGuess.isWorthIt() ? decisions : null;
}

/** BEGIN and the rows of memories that are taken for new, in one flight, beside the preparation. */
async function writeNewInFlight(task: RowsTask, decisions: readonly WriteDecision[]): Promise<RowsResult> {
  const { transaction, token, preparation, newGuess, onStep } = task;
  const writes = decisions.map(({ write }) => write);
  const flying = transaction.beginWithNew(writes, token);
  const [{ answer, writtenAt }, obstacle] = await bothEnded(flying, preparation.start(decisions));
  if (answer === "guessed_wrong") newGuess?.missed();
  if (answer !== "written") return { kind: answer };
  newGuess?.held();
  await onStep?.("locked");
  if (obstacle !== null) return obstacle;
  for (const decision of decisions) setTime(decision, writtenAt);
  return { kind: "written", decisions };
}

/**
 * Sends the row of a lone memory with its COMMIT: one round trip, where no store has a say before the commit. Where the guess does not hold,
 * nothing was written, and the row is looked for first. @returns null: COMMIT has to wait.
 */
async function commitAlone(task: RowsTask, guesses: readonly Guess[]): Promise<RowsResult | null> {
  const { transaction, token, alone } = task;
  const [guess] = guesses;
  if (alone === undefined || !transaction.flies || guess === undefined || guesses.length > 1) return null;
  const { decision, knownTx } = guess;
  if (!isWrite(decision)) return null;
  await alone.beginning(decision);
  const answer = await transaction.commitAlone({ write: decision.write, knownTx }, token);
  if (answer !== null && answer.hits.size > 0) {
    setTime(decision, answer.writtenAt);
    return { kind: "committed", decisions: [decision] };
  }
  alone.ended();
  return answer === null ? { kind: "raced" } : await lockThenWrite(task);
}

/** BEGIN, locks and guarded writes in one flight, beside the preparation. What does not hold is decided on what was found. */
async function writeInFlight(task: RowsTask, guesses: readonly Guess[]): Promise<RowsResult> {
  const { transaction, intents, atomic, claiming, preparation, known, token, onStep } = task;
  const sent: GuessedWrite[] = [];
  for (const { decision, knownTx } of guesses) if (isWrite(decision)) sent.push({ write: decision.write, knownTx });
  // The rows first, which take longest. Both have ended before anything is decided.
  const flying = transaction.beginWith(sent, keysOf(intents), token, claiming);
  const preparing = preparation.start(guesses.map(({ decision }) => decision).filter(isWrite));
  const [flown, obstacle] = await bothEnded(flying, preparing);
  // First: after a row in the way the transaction takes no further statement, not even the one that reads a taken key.
  if (flown.raced) return { kind: "raced" };
  if (claiming !== undefined && flown.isKeyTaken) {
    return { kind: "key_taken", taken: await transaction.takenKeys(claiming) };
  }
  const { hits, writtenAt } = flown;
  const isMissed = ({ key }: WriteIntent): boolean => !hits.has(keyText(key));
  const endsUnknown = await writesUnknownEndings(task, intents.filter(isMissed), flown);
  const decisions = intents.map((intent, index): Decision => {
    const { decision } = guesses[index] as Guess;
    const text = keyText(intent.key);
    if (isWrite(decision) && hits.has(text)) {
      setTime(decision, writtenAt);
      return decision;
    }
    note(known, text, flown.locked.get(text));
    return decideOn(intent, flown, token.nodeId, endsUnknown);
  });
  if (atomic && decisions.some(isRefused)) return { kind: "conflict", decisions };
  await onStep?.("locked");
  const missed = decisions.filter(isWrite).filter(({ write }) => !hits.has(keyText(write)));
  if (hits.size === 0 && missed.length === 0 && claiming === undefined) return { kind: "nothing", decisions };
  if (obstacle !== null) return obstacle;
  if (missed.length > 0 || hits.size === 0) {
    const rest = missed.map(({ write }) => write);
    const answer = await transaction.write(rest, { ...token, optimistic: false, appends: hits.size > 0 });
    if (answer !== "written") return { kind: answer };
  }
  return { kind: "written", decisions };
}

/** Locks and reads the rows, and writes once they are decided on, beside the preparation. */
async function lockThenWrite(task: RowsTask): Promise<RowsResult> {
  const { transaction, intents, atomic, claiming, preparation, known, token, onStep } = task;
  const begun = await transaction.begin(keysOf(intents), claiming, pushedOf(intents));
  if (claiming !== undefined && begun.isKeyTaken) {
    return { kind: "key_taken", taken: await transaction.takenKeys(claiming) };
  }
  if (intents.length > ONE_TURN_MAX) await ownTurn();
  const pushed = new PushedChanges(intents, begun);
  const endsUnknown = await writesUnknownEndings(task, intents, begun);
  const decisions = intents.map(
    (intent) => pushed.decide(intent) ?? decideOn(intent, begun, token.nodeId, endsUnknown),
  );
  if (intents.length <= FLIGHT_MAX) {
    for (const { key } of intents) note(known, keyText(key), begun.locked.get(keyText(key)));
  }
  if (atomic && decisions.some(isRefused)) return { kind: "conflict", decisions };
  await onStep?.("locked");
  const writing: WriteDecision[] = decisions.filter(isWrite);
  const applied = pushed.applied(intents, decisions);
  if (writing.length === 0 && claiming === undefined && applied.length === 0) return { kind: "nothing", decisions };
  const [answer, obstacle] = await bothEnded(
    transaction.write(
      writing.map(({ write }) => write),
      token,
      applied,
    ),
    preparation.start(writing),
  );
  if (answer !== "written") return { kind: answer };
  if (obstacle !== null) return obstacle;
  const withdrawn = writing.filter(({ write }) => write.endedBy === "withdrawn").map(({ write }): MemoryKey => write);
  if (withdrawn.length > 0) await transaction.scrub(withdrawn);
  return { kind: "written", decisions };
}

function decideOn(intent: WriteIntent, { locked, floors, now }: Begun, nodeId: string, endsUnknown: boolean): Decision {
  const floor = floors.size === 0 ? 0 : (floors.get(intent.memory?.bucket ?? bucketOf(intent.key)) ?? 0);
  return decide(intent, locked.get(keyText(intent.key)), now, nodeId, floor, endsUnknown);
}

/**
 * Whether deletions of memories without a row are written. The ledger knows of a replica that this process was not told of: a replica
 * of any node would show the memory. Asked only where such a deletion is among the intents, which are those that are decided on.
 */
async function writesUnknownEndings(
  { transaction, endsUnknown }: Pick<RowsTask, "transaction" | "endsUnknown">,
  intents: readonly WriteIntent[],
  { locked }: Pick<Begun, "locked">,
): Promise<boolean> {
  if (endsUnknown) return true;
  const isUnknown = ({ key, memory, ending = "deleted" }: WriteIntent): boolean =>
    memory === null && ending === "deleted" && !locked.has(keyText(key));
  return intents.some(isUnknown) && (await transaction.isReplicated());
}

/** A memory has its bucket with it. */
function keysOf(intents: readonly WriteIntent[]): BucketedKey[] {
  return intents.map(({ memory, key }) => memory ?? key);
}

function note(known: KnownRows, text: string, row: LockedRow | undefined): void {
  if (row === undefined) known.forget(text);
  else known.note(text, row);
}

type Timed = { modifiedAt: number };

/** Gives a guess that held the ledger's time. In place, before anything reads it: copies cost more than all else here. */
export function setTime({ write, change }: WriteDecision, modifiedAt: number): void {
  (write as Timed).modifiedAt = modifiedAt;
  (change as Timed).modifiedAt = modifiedAt;
}
