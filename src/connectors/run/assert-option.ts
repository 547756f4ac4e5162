import { assertWhole } from "../../domain/assert-whole.ts";

/**
 * Checks an option of a run: with none in flight, say, it would never end, or pass over what it reads.
 * @param value undefined: its default. @throws {ValidationError}
 */
export function assertOption(option: string, value: number | undefined, from: number, to?: number): void {
  if (value !== undefined) assertWhole(option, value, from, to);
}
