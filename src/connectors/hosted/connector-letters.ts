import type { PostgresAccess, Sql } from "../../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { type ConnectorDefinition, namespaceOf } from "../definition.ts";
import { dropLetters, listLetters } from "./item-statements.ts";
import { parseRecordKey, recordKeyText } from "./record-key.ts";
import { forgetFailed, listInState } from "./record-statements.ts";
import { sinkStateOf, sourceStateOf } from "./work.ts";

/** An item that could not be stored here, or a memory that the other service could not process. */
export interface Letter {
  /** The item's, or `<namespace>/<id>` of the memory: replay and drop take it. */
  readonly id: string;
  readonly side: "from" | "to";
  readonly namespace: string;
  readonly memoryId: string;
  readonly code: string;
  readonly reason: string;
  /** Null: the service was told so often as its connector does. */
  readonly attempts: number | null;
  /** Milliseconds since 1970; null: not known. */
  readonly at: number | null;
  /** The item's memory as JSON; null: the memory itself has it. */
  readonly payload: string | null;
}

export interface LetterPage {
  readonly letters: readonly Letter[];
  /** Whether there are more than were asked for. */
  readonly more: boolean;
}

/** The code of what a sink's service could not process. */
const NOT_PROCESSED = "NOT_PROCESSED";

/** Dead letters of both sides of connectors. */
export class ConnectorLetters {
  readonly #parts: { readonly postgres: PostgresAccess; readonly callTimeoutMs: number };

  constructor(parts: { readonly postgres: PostgresAccess; readonly callTimeoutMs: number }) {
    this.#parts = parts;
  }

  async list(
    id: string,
    definition: ConnectorDefinition,
    { after, limit }: { readonly after: string | null; readonly limit: number },
    signal: AbortSignal,
  ): Promise<LetterPage> {
    const source = sourceStateOf(id, definition);
    const sink = sinkStateOf(id, definition);
    return await this.#call(signal, async (sql) => {
      const items = source === null ? [] : await listLetters(sql, source, { after, limit: limit + 1 });
      const letters: Letter[] = items.map(({ itemId, ...letter }) => ({
        ...letter,
        ...{ id: itemId, side: "from" as const, namespace: namespaceOf(definition) },
      }));
      if (sink !== null && letters.length <= limit) {
        const failed = await listInState(sql, sink, "failed", Number.POSITIVE_INFINITY);
        const place = failed.findIndex((record) => recordKeyText(record) === after);
        for (const record of failed.slice(place + 1)) {
          const { namespace, memoryId, reason } = record;
          letters.push({
            ...{ id: recordKeyText(record), side: "to", namespace, memoryId, code: NOT_PROCESSED },
            ...{ reason: reason ?? "", attempts: null, at: null, payload: null },
          });
        }
      }
      return { letters: letters.slice(0, limit), more: letters.length > limit };
    });
  }

  /** @param ids null: all. @returns how many. */
  async drop(
    id: string,
    definition: ConnectorDefinition,
    ids: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<number> {
    const source = sourceStateOf(id, definition);
    const sink = sinkStateOf(id, definition);
    const keys = ids === null ? null : ids.map(parseRecordKey).filter((key) => key !== null);
    return await this.#call(signal, async (sql) => {
      const dropped = source === null ? 0 : await dropLetters(sql, source, ids);
      return dropped + (sink === null ? 0 : await forgetFailed(sql, sink, keys));
    });
  }

  async #call<T>(signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
    const { postgres, callTimeoutMs } = this.#parts;
    return await withDeadline(callTimeoutMs, signal, (deadline) => postgres.use(deadline, ({ sql }) => work(sql)));
  }
}
