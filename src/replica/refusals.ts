import { type MnemosyncError, StoreRefusedError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { classifyPostgresError } from "../drivers/postgres/postgres-errors.ts";
import type { Log } from "../runtime/log.ts";
import { newUlid } from "../runtime/ulid.ts";
import { callSide } from "./call.ts";
import type { MisfitRow } from "./compare-statements.ts";
import type { Comparing, Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { keepHoles, listHoles } from "./hole-statements.ts";
import { countLetters, keepLetters, type NewLetter, recallLetters } from "./letter-statements.ts";
import { operationOf, type ReplicaWrite } from "./replica-write.ts";
import type { ReplicaSettings } from "./settings.ts";

/** Letters of a replica, at most: one that refuses more is not told of single memories any more, but stops replication. */
export const LETTERS_MAX = 10_000;
const HOLES_PAGE = 1_000;

/** Whether the replica refused the data, and not all work: a constraint, a trigger, a value out of range. */
export function isRefusal(error: unknown): error is StoreRefusedError {
  return error instanceof StoreRefusedError && classifyPostgresError(error.cause) === "data";
}

/** The replica refuses so many memories that an operator must look. */
export class TooManyRefusedError extends StoreRefusedError {
  constructor(letters: number, refusal: MnemosyncError) {
    super(
      "replica",
      `it refuses ${letters} memories, and ${LETTERS_MAX} is the limit: mend the cause, then mnemosync replica retry (${refusal.message})`,
      { cause: refusal },
    );
  }
}

export interface RefusalParts {
  /** It keeps the letters. */
  readonly primary: PostgresAccess;
  /** It keeps the holes: see `hole-statements.ts`. */
  readonly replica: PostgresAccess;
  readonly settings: Pick<ReplicaSettings, "name" | "retriesMax" | "retryIntervalMs">;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Keeps memories that the replica refuses out of the way of all others. */
export class Refusals {
  readonly #parts: RefusalParts;

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  /**
   * Writes those of a refused batch that are not at fault, in halves, and keeps a letter for each memory that is. Letters are kept
   * before the replica's place passes their changes: none is forgotten.
   * @throws {TooManyRefusedError} Nothing was kept. @throws what `write` throws, refusals apart.
   */
  async isolate(
    fence: Fence,
    writes: readonly ReplicaWrite[],
    refusal: MnemosyncError,
    write: (own: readonly ReplicaWrite[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const letters: NewLetter[] = [];
    await this.#split(byMemory(writes), refusal, write, letters);
    await this.keep(fence, letters, refusal, signal);
  }

  /** Keeps letters, and the holes that they leave. @throws {TooManyRefusedError} Nothing was kept. @throws {FencedError} */
  async keep(fence: Fence, letters: readonly NewLetter[], refusal: MnemosyncError, signal: AbortSignal): Promise<void> {
    if (letters.length === 0) return;
    const { primary, replica, settings, log } = this.#parts;
    const { waiting, dead } = await callSide(this.#parts, primary, signal, (sql) => countLetters(sql, settings.name));
    if (waiting + dead + letters.length > LETTERS_MAX) throw new TooManyRefusedError(waiting + dead, refusal);
    const retry = { intervalMs: settings.retryIntervalMs, retriesMax: settings.retriesMax };
    const kept = await callSide(this.#parts, primary, signal, (sql) => keepLetters(sql, settings.name, letters, retry));
    if (!(await callSide(this.#parts, replica, signal, (sql) => keepHoles(sql, fence, settings.name, kept))))
      throw new FencedError();
    for (const { namespace, memoryId, lastError } of letters) {
      log.warn({ namespace, memoryId, error: lastError }, "replica.memory_refused");
    }
  }

  /** Makes letters again for holes without one: the replica was put back to before they were delivered, or the primary was. */
  async recall(signal: AbortSignal): Promise<void> {
    const { primary, replica, settings } = this.#parts;
    for (let after = ""; ; ) {
      const place = after;
      const holes = await callSide(this.#parts, replica, signal, (sql) =>
        listHoles(sql, settings.name, place, HOLES_PAGE),
      );
      const last = holes.at(-1);
      if (last === undefined) return;
      await callSide(this.#parts, primary, signal, (sql) => recallLetters(sql, settings.name, holes));
      after = last.id;
    }
  }

  async #split(
    memories: readonly (readonly ReplicaWrite[])[],
    refusal: MnemosyncError,
    write: (own: readonly ReplicaWrite[]) => Promise<void>,
    letters: NewLetter[],
  ): Promise<void> {
    if (memories.length === 1) {
      letters.push(letterOf(memories[0] as readonly ReplicaWrite[], refusal));
      return;
    }
    const middle = Math.ceil(memories.length / 2);
    for (const half of [memories.slice(0, middle), memories.slice(middle)]) {
      try {
        await write(half.flat());
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await this.#split(half, error, write, letters);
      }
    }
  }
}

function byMemory(writes: readonly ReplicaWrite[]): ReplicaWrite[][] {
  const byKey = new Map<string, ReplicaWrite[]>();
  for (const write of writes) byKey.set(keyText(write), [...(byKey.get(keyText(write)) ?? []), write]);
  return [...byKey.values()];
}

/** The last change counts: it is what the replica lacks. */
function letterOf(writes: readonly ReplicaWrite[], refusal: MnemosyncError): NewLetter {
  const last = writes.at(-1) as ReplicaWrite;
  const { namespace, memoryId, version, transactionId, modifiedAt } = last;
  return {
    id: newUlid(),
    ...{ namespace, memoryId },
    operation: operationOf(last),
    data: JSON.stringify({ version, transactionId, modifiedAt: new Date(modifiedAt).toISOString() }),
    lastError: refusal.message,
  };
}

/** Of a row that a comparison could not settle. What the primary does not know is an ending, which no operator may drop. */
export function refusedMisfit(
  { namespace, memoryId, version, transactionId, primary }: MisfitRow,
  compares: Comparing,
  { message }: MnemosyncError,
): NewLetter {
  return {
    id: newUlid(),
    ...{ namespace, memoryId },
    operation: primary?.isAlive ? "put" : "delete",
    data: JSON.stringify({ version, transactionId, compares }),
    lastError: message,
  };
}
