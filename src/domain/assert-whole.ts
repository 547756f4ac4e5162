import { ValidationError } from "./errors.ts";

/** @param path of the value, as its caller names it. @param to the largest one. @throws {ValidationError} It is none from `from` to `to`. */
export function assertWhole(path: string, value: number, from: number, to = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && value >= from && value <= to) return;
  throw new ValidationError(path, `is ${value}, and must be a whole number from ${from} to ${to}`);
}
