import { JSONParser } from "@streamparser/json";
import { isObject } from "../../domain/json.ts";
import { LONG_ITEM, Turns } from "../../runtime/turns.ts";
import { ServiceError } from "../service/service-error.ts";
import { type MemorySpaceItem, parseItem } from "./item.ts";

/** Names under which servers put their items. A bare array is taken as well. */
const ITEM_KEYS = ["memories", "items", "results", "docs"] as const;
/** Bytes of one item, at most: a text of a megabyte, and room for what the service adds. */
const ITEM_BYTES_MAX = 8_388_608;
/** Bytes of an answer without items that are looked at for the reason: an empty listing and an error are short. */
const EMPTY_BYTES_MAX = 65_536;
/** Bytes that are parsed between two looks at the clock. A chunk of the connection may have several hundred items. */
const SLICE_BYTES = 8_192;
/** Characters of an error of the service that a message repeats. */
const ERROR_LENGTH_MAX = 300;

/** What a listing said beside its items. */
export interface ListingFacts {
  /** Entries that the listing held, those without an id included. */
  readonly entries: number;
  /** Entries that are no items. */
  readonly unreadable: number;
  /** The limit that the server says it kept to; null where it does not say. It may be lower than the one asked for. */
  readonly limit: number | null;
  readonly bytes: number;
}

/**
 * Reads a listing as it arrives and gives its items one by one, so that a listing of any length takes no more memory than its
 * largest item and a chunk of the connection. Call `facts` once the items are read.
 */
export class ListReader {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #where: string;
  readonly #now: (() => number) | undefined;
  #entries = 0;
  #unreadable = 0;
  #limit: number | null = null;
  /** The start of the answer, until it has shown an item. */
  #start: Uint8Array[] = [];
  /** The key whose array is read. Another one beside it would be the same items again. */
  #key: string | null = null;
  #bytes = 0;
  #bytesAtLastItem = 0;

  /** @param where the request, for messages. @param now milliseconds of a clock that never goes back. */
  constructor(body: AsyncIterable<Uint8Array>, where: string, now?: () => number) {
    this.#body = body;
    this.#where = where;
    this.#now = now;
  }

  get facts(): ListingFacts {
    return { entries: this.#entries, unreadable: this.#unreadable, limit: this.#limit, bytes: this.#bytes };
  }

  /** @throws {ServiceError} The answer is no listing, or ends in the middle: then it is transient. */
  async *items(): AsyncGenerator<MemorySpaceItem, void> {
    let parser: JSONParser | null = null;
    const ready: MemorySpaceItem[] = [];
    const turns = new Turns(this.#now);
    for await (const chunk of this.#body) {
      this.#bytes += chunk.byteLength;
      if (this.#entries === 0 && this.#bytes <= EMPTY_BYTES_MAX) this.#start.push(chunk);
      parser ??= this.#parserFor(chunk, ready);
      for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) {
        this.#parse(() => parser?.write(chunk.subarray(at, at + SLICE_BYTES)));
        // The caller's work on these items counts too: between two items nothing else gets a turn.
        yield* ready.splice(0);
        if (turns.isOver(LONG_ITEM)) await turns.next();
      }
      if (this.#bytes - this.#bytesAtLastItem > ITEM_BYTES_MAX + chunk.byteLength) {
        throw new ServiceError("permanent", `${this.#where}: an item is over ${ITEM_BYTES_MAX} bytes`);
      }
    }
    if (parser === null || !parser.isEnded) {
      throw new ServiceError(
        "transient",
        `${this.#where}: the answer ends after ${this.#bytes} bytes, in the middle of its JSON`,
      );
    }
    if (this.#key === null) this.#assertEmpty();
  }

  #parserFor(chunk: Uint8Array, ready: MemorySpaceItem[]): JSONParser | null {
    const first = chunk.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf);
    if (first === undefined) return null; // White space, or the mark of UTF-8: the next chunk tells.
    const isArray = first === "[".charCodeAt(0);
    if (isArray) this.#key = "";
    // The arrays themselves are not asked for: the parser would keep their items until they end.
    const paths = isArray ? ["$.*"] : [...ITEM_KEYS.map((key) => `$.${key}.*`), "$.limit"];
    const parser = new JSONParser({ paths, keepStack: false, stringBufferSize: 65_536 });
    parser.onValue = ({ key, value, stack }) => {
      if (isArray) this.#take("", value, ready);
      else if (stack.length > 1) this.#take(String(stack.at(-1)?.key), value, ready);
      else if (key === "limit" && typeof value === "number") this.#limit = value;
    };
    return parser;
  }

  #take(key: string, value: unknown, ready: MemorySpaceItem[]): void {
    this.#key ??= key;
    if (key !== this.#key) return;
    this.#entries++;
    this.#bytesAtLastItem = this.#bytes;
    this.#start = [];
    const item = parseItem(value);
    if (item === null) this.#unreadable++;
    else ready.push(item);
  }

  #parse(step: () => void): void {
    try {
      step();
    } catch (cause) {
      if (cause instanceof ServiceError) throw cause;
      throw new ServiceError(
        "permanent",
        `${this.#where}: the answer is no JSON. Is this the address of the service's API?`,
      );
    }
  }

  /** An answer without an item is a listing only where it has an empty array. @throws {ServiceError} */
  #assertEmpty(): void {
    const value: unknown =
      this.#bytes > EMPTY_BYTES_MAX ? null : JSON.parse(Buffer.concat(this.#start).toString("utf8"));
    const answer = isObject(value) ? value : {};
    if (ITEM_KEYS.some((key) => Array.isArray(answer[key]))) return;
    if (answer.error !== undefined) {
      const said = typeof answer.error === "string" ? answer.error : JSON.stringify(answer.error);
      throw new ServiceError(
        "permanent",
        `${this.#where}: it answered with an error: ${said.slice(0, ERROR_LENGTH_MAX)}`,
      );
    }
    const expected = `expected an array under ${ITEM_KEYS.join(", ")}, or an array alone`;
    throw new ServiceError("permanent", `${this.#where}: the answer is no listing: ${expected}`);
  }
}
