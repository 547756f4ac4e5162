import { ValidationError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import { type ConnectorDefinition, namespaceOf } from "../definition.ts";
import { dropLetters, listLetters } from "./item-statements.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { parseRecordKey, recordKeyText } from "./record-key.ts";
import { forgetFailed, listFailed } from "./record-statements.ts";
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
  /** Where the next page begins; null: these are the last. A page of large payloads is shorter than its limit. */
  readonly cursor: string | null;
}

/** Where a page begins: behind a letter of the source, or behind a record of the sink. */
type LetterPlace = { readonly seq: number } | { readonly key: MemoryKey };

/** Bytes of payloads on one page, at most, but for one letter: each may hold a whole memory. */
const PAGE_BYTES_MAX = 8_388_608;

/** The code of what a sink's service could not process. */
const NOT_PROCESSED = "NOT_PROCESSED";

/** Dead letters of both sides of connectors. */
export class ConnectorLetters {
  readonly #parts: LedgerAccess;

  constructor(parts: LedgerAccess) {
    this.#parts = parts;
  }

  /**
   * Those of the source first, the oldest of them first; then those of the sink, by their keys. Letters that go between two pages
   * change no place of others. @throws {ValidationError} The cursor is of no page.
   */
  async list(
    id: string,
    definition: ConnectorDefinition,
    { cursor, limit }: { readonly cursor: string | null; readonly limit: number },
    signal: AbortSignal,
  ): Promise<LetterPage> {
    const source = sourceStateOf(id, definition);
    const sink = sinkStateOf(id, definition);
    const place = cursor === null ? { seq: 0 } : placeOf(cursor);
    return await callLedger(this.#parts, signal, async (sql) => {
      const found: { readonly letter: Letter; readonly place: LetterPlace }[] = [];
      let isCut = false;
      if (source !== null && "seq" in place) {
        const query = { after: place.seq, limit: limit + 1, bytesMax: PAGE_BYTES_MAX };
        const { letters, more } = await listLetters(sql, source, query);
        isCut = more;
        for (const { itemId, seq, ...letter } of letters) {
          const own = { id: itemId, side: "from", namespace: namespaceOf(definition) } as const;
          found.push({ letter: { ...letter, ...own }, place: { seq } });
        }
      }
      if (sink !== null && !isCut && found.length <= limit) {
        const after = "key" in place ? place.key : null;
        for (const { reason, ...key } of await listFailed(sql, sink, after, limit + 1 - found.length)) {
          const told = { code: NOT_PROCESSED, reason: reason ?? "", attempts: null, at: null, payload: null };
          found.push({ letter: { ...told, ...key, id: recordKeyText(key), side: "to" }, place: { key } });
        }
      }
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        letters: page.map(({ letter }) => letter),
        cursor: (isCut || found.length > limit) && last !== undefined ? cursorOf(last.place) : null,
      };
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
    return await callLedger(this.#parts, signal, async (sql) => {
      const dropped = source === null ? 0 : await dropLetters(sql, source, ids);
      return dropped + (sink === null ? 0 : await forgetFailed(sql, sink, keys));
    });
  }
}

function cursorOf(place: LetterPlace): string {
  return "seq" in place ? `from:${place.seq}` : `to:${recordKeyText(place.key)}`;
}

function placeOf(cursor: string): LetterPlace {
  const seq = /^from:(\d{1,15})$/.exec(cursor)?.[1];
  if (seq !== undefined) return { seq: Number(seq) };
  const key = cursor.startsWith("to:") ? parseRecordKey(cursor.slice(3)) : null;
  if (key !== null) return { key };
  throw new ValidationError("cursor", "is of no page of dead letters: take the one that the page before gave");
}
