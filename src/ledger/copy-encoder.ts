import type { WireBuffers } from "../runtime/wire-buffers.ts";

/** Microseconds from 1970 to 2000, where Postgres begins to count. */
const EPOCH_MICROSECONDS = 946_684_800_000_000;
const HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const TWO_TO_32 = 2 ** 32;
const JSONB_VERSION = 1;

/**
 * Rows in the binary format of COPY (PostgreSQL's documentation of COPY, "Binary Format"): each begins with `row`, and
 * then has as many values as were announced, each in the form in which its type is sent. Null is a value of any type.
 */
export class CopyEncoder {
  readonly #memory: WireBuffers;
  #bytes: Buffer;
  #at = HEADER.byteLength;

  /** @param bytesExpected room that is made at first; more is made as it is needed. */
  constructor(memory: WireBuffers, bytesExpected: number) {
    this.#memory = memory;
    this.#bytes = memory.take(HEADER.byteLength + Math.max(64, bytesExpected));
    HEADER.copy(this.#bytes);
  }

  row(columns: number): void {
    this.#reserve(2);
    this.#at = this.#bytes.writeInt16BE(columns, this.#at);
  }

  /** `text`, `json`. */
  text(value: string | null): void {
    if (value === null) {
      this.#null();
      return;
    }
    this.#reserve(4 + value.length * 3);
    this.#lengthThenText(value, 0);
  }

  jsonb(json: string): void {
    this.#reserve(5 + json.length * 3);
    this.#bytes[this.#at + 4] = JSONB_VERSION;
    this.#lengthThenText(json, 1);
  }

  boolean(value: boolean): void {
    this.#reserve(5);
    this.#at = this.#bytes.writeInt32BE(1, this.#at);
    this.#at = this.#bytes.writeUInt8(value ? 1 : 0, this.#at);
  }

  /** `integer`. */
  int32(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeInt32BE(4, this.#at);
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
  }

  /** `bigint`, of a safe integer. */
  int64(value: number | null): void {
    if (value === null) {
      this.#null();
      return;
    }
    this.#reserve(12);
    const high = Math.floor(value / TWO_TO_32);
    this.#at = this.#bytes.writeInt32BE(8, this.#at);
    this.#at = this.#bytes.writeInt32BE(high, this.#at);
    this.#at = this.#bytes.writeUInt32BE(value - high * TWO_TO_32, this.#at);
  }

  /** `bigint` by its 16 hex digits, two's complement. */
  int64Digits(digits: string | null): void {
    if (digits === null) {
      this.#null();
      return;
    }
    this.#reserve(12);
    this.#at = this.#bytes.writeInt32BE(8, this.#at);
    this.#at += this.#bytes.write(digits, this.#at, 8, "hex");
  }

  /** `timestamptz`, of milliseconds since 1970. */
  timestamp(milliseconds: number | null): void {
    this.int64(milliseconds === null ? null : Math.round(milliseconds * 1_000) - EPOCH_MICROSECONDS);
  }

  bytea(value: Uint8Array | null): void {
    if (value === null) {
      this.#null();
      return;
    }
    this.#reserve(4 + value.byteLength);
    this.#at = this.#bytes.writeInt32BE(value.byteLength, this.#at);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** All of it. Nothing may be added any more. */
  end(): Buffer {
    this.#reserve(2);
    this.#at = this.#bytes.writeInt16BE(-1, this.#at);
    return this.#bytes.subarray(0, this.#at);
  }

  /** Gives the memory back for other encoders. Call it once all bytes are sent. */
  release(): void {
    this.#memory.give(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }

  #null(): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeInt32BE(-1, this.#at);
  }

  /** `prefixBytes` of the value are already written behind its length field. */
  #lengthThenText(value: string, prefixBytes: number): void {
    const length = prefixBytes + this.#bytes.write(value, this.#at + 4 + prefixBytes, "utf8");
    this.#bytes.writeInt32BE(length, this.#at);
    this.#at += 4 + length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.byteLength) return;
    const larger = this.#memory.take(Math.max(this.#bytes.byteLength * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#memory.give(this.#bytes);
    this.#bytes = larger;
  }
}
