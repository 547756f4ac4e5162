import { ValidationError } from "../../domain/errors.ts";

/**
 * Checks an option of a run: with none in flight, say, it would never end, or pass over what it reads.
 * @param value undefined: its default. @throws {ValidationError}
 */
export function assertWhole(
  option: string,
  value: number | undefined,
  from: number,
  to = Number.MAX_SAFE_INTEGER,
): void {
  if (value === undefined || (Number.isInteger(value) && value >= from && value <= to)) return;
  throw new ValidationError(option, `is ${value}, and must be a whole number from ${from} to ${to}`);
}
