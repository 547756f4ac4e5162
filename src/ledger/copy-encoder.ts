import { BinaryValues } from "../drivers/postgres/binary-values.ts";
import { COPY_HEADER } from "../drivers/postgres/flight.ts";
import type { WireBuffers } from "../runtime/wire-buffers.ts";

/**
 * Rows in the binary format of COPY (PostgreSQL's documentation of COPY, "Binary Format"): each begins with `row`, and
 * then has as many values as were announced.
 */
export class CopyEncoder extends BinaryValues {
  /** @param bytesExpected room that is made at first; more is made as it is needed. */
  constructor(memory: WireBuffers, bytesExpected: number) {
    super(memory, COPY_HEADER.byteLength + bytesExpected);
    this.raw(COPY_HEADER);
  }

  /** All of it. Nothing may be added any more. */
  end(): Buffer {
    this.row(-1);
    return this.bytes.subarray(0, this.at);
  }
}
