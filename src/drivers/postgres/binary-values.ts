import type { Turns } from "../../runtime/turns.ts";
import type { WireBuffers } from "../../runtime/wire-buffers.ts";
import { EPOCH_MICROSECONDS } from "./binary-columns.ts";

const TWO_TO_32 = 2 ** 32;
const JSONB_VERSION = 1;
/** Bytes whose copying counts as one more item of a turn: a few microseconds. */
const BYTES_PER_ITEM = 8 * 1024;

/**
 * Values in the binary form in which their types are sent, each behind its length: those of a row of COPY, of a statement's
 * parameters, of an array. Null is a value of any type.
 */
export class BinaryValues {
  protected readonly memory: WireBuffers;
  protected bytes: Buffer;
  protected at = 0;

  /** @param bytesExpected room that is made at first; more is made as it is needed. */
  constructor(memory: WireBuffers, bytesExpected: number) {
    this.memory = memory;
    this.bytes = memory.take(Math.max(64, bytesExpected));
  }

  /** How many values follow: the beginning of a row. */
  row(columns: number): void {
    this.reserve(2);
    this.at = this.bytes.writeInt16BE(columns, this.at);
  }

  /** `text`, `json`. */
  text(value: string | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.reserve(4 + value.length * 3);
    this.#lengthThenText(value, 0);
  }

  jsonb(json: string): void {
    this.reserve(5 + json.length * 3);
    this.bytes[this.at + 4] = JSONB_VERSION;
    this.#lengthThenText(json, 1);
  }

  boolean(value: boolean): void {
    this.reserve(5);
    this.at = this.bytes.writeInt32BE(1, this.at);
    this.at = this.bytes.writeUInt8(value ? 1 : 0, this.at);
  }

  /** `integer`. */
  int32(value: number): void {
    this.reserve(8);
    this.at = this.bytes.writeInt32BE(4, this.at);
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  /** `bigint`, of a safe integer. */
  int64(value: number | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.reserve(12);
    const high = Math.floor(value / TWO_TO_32);
    this.at = this.bytes.writeInt32BE(8, this.at);
    this.at = this.bytes.writeInt32BE(high, this.at);
    this.at = this.bytes.writeUInt32BE(value - high * TWO_TO_32, this.at);
  }

  /** `bigint` by its 16 hex digits, two's complement. */
  int64Digits(digits: string | null): void {
    if (digits === null) {
      this.null();
      return;
    }
    this.reserve(12);
    this.at = this.bytes.writeInt32BE(8, this.at);
    this.at += this.bytes.write(digits, this.at, 8, "hex");
  }

  /** `double precision`. */
  float64(value: number | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.reserve(12);
    this.at = this.bytes.writeInt32BE(8, this.at);
    this.at = this.bytes.writeDoubleBE(value, this.at);
  }

  /** `timestamptz`, of milliseconds since 1970. */
  timestamp(milliseconds: number | null): void {
    this.int64(milliseconds === null ? null : Math.round(milliseconds * 1_000) - EPOCH_MICROSECONDS);
  }

  bytea(value: Uint8Array | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.reserve(4 + value.byteLength);
    this.at = this.bytes.writeInt32BE(value.byteLength, this.at);
    this.bytes.set(value, this.at);
    this.at += value.byteLength;
  }

  /**
   * An array of one dimension. @param elementType OID of the elements. @param write writes one element as a value.
   */
  array<T>(elementType: number, elements: readonly T[], write: (element: T) => void): void {
    const start = this.#beginArray(elementType, elements.length);
    for (const element of elements) write(element);
    this.#endArray(start);
  }

  /** `array`, over several turns of the event loop where that takes longer than some milliseconds. */
  async arrayInTurns<T>(
    elementType: number,
    elements: readonly T[],
    turns: Turns,
    write: (element: T) => void,
  ): Promise<void> {
    const start = this.#beginArray(elementType, elements.length);
    await this.eachInTurns(elements, turns, write);
    this.#endArray(start);
  }

  /** Calls `write` with each item, which writes it, over several turns of the event loop where that takes long. */
  async eachInTurns<T>(items: readonly T[], turns: Turns, write: (item: T) => void): Promise<void> {
    for (const item of items) {
      const start = this.at;
      write(item);
      if (turns.isOver(1 + Math.floor((this.at - start) / BYTES_PER_ITEM))) await turns.next();
    }
  }

  /** Gives the memory back for others. Call it once all bytes are sent; nothing may be added any more. */
  release(): void {
    this.memory.give(this.bytes);
    this.bytes = Buffer.alloc(0);
  }

  null(): void {
    this.reserve(4);
    this.at = this.bytes.writeInt32BE(-1, this.at);
  }

  protected raw(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength);
    this.bytes.set(bytes, this.at);
    this.at += bytes.byteLength;
  }

  protected reserve(bytes: number): void {
    if (this.at + bytes <= this.bytes.byteLength) return;
    const larger = this.memory.take(Math.max(this.bytes.byteLength * 2, this.at + bytes));
    this.bytes.copy(larger, 0, 0, this.at);
    this.memory.give(this.bytes);
    this.bytes = larger;
  }

  /** @returns where the array's length stands, which `#endArray` fills in. */
  #beginArray(elementType: number, length: number): number {
    this.reserve(24);
    const start = this.at;
    this.at = this.bytes.writeInt32BE(length === 0 ? 0 : 1, start + 4); // Dimensions.
    this.at = this.bytes.writeInt32BE(1, this.at); // Some may be null: the server looks for itself.
    this.at = this.bytes.writeInt32BE(elementType, this.at);
    if (length > 0) {
      this.at = this.bytes.writeInt32BE(length, this.at);
      this.at = this.bytes.writeInt32BE(1, this.at); // The first element is number 1.
    }
    return start;
  }

  #endArray(start: number): void {
    this.bytes.writeInt32BE(this.at - start - 4, start);
  }

  /** `prefixBytes` of the value are already written behind its length field. */
  #lengthThenText(value: string, prefixBytes: number): void {
    const length = prefixBytes + this.bytes.write(value, this.at + 4 + prefixBytes, "utf8");
    this.bytes.writeInt32BE(length, this.at);
    this.at += 4 + length;
  }
}
