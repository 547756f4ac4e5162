/*
 * Values in the binary form in which the server sends the columns of a flight's answer: the counterpart of `BinaryValues`.
 */

/** Microseconds from 1970 to 2000, where PostgreSQL begins to count. */
export const EPOCH_MICROSECONDS = 946_684_800_000_000;
const TWO_TO_32 = 2 ** 32;

/** `bigint`, of a safe integer. */
export function int64Of(column: Buffer): number {
  return column.readInt32BE(0) * TWO_TO_32 + column.readUInt32BE(4);
}

/** `timestamptz` as milliseconds since 1970, with their fraction. */
export function timestampOf(column: Buffer): number {
  return (int64Of(column) + EPOCH_MICROSECONDS) / 1_000;
}

/** The JSON text of a `jsonb`, whose first byte is the version of the form. */
export function jsonbOf(column: Buffer): string {
  return column.toString("utf8", 1);
}

/** `bigint` or `xid8`, in decimal. */
export function digitsOf(column: Buffer): string {
  return column.readBigUInt64BE(0).toString();
}
