import { InternalError } from "../domain/errors.ts";

/**
 * Calls `closers` in reverse, one after the other: what was opened last closes first. A failure doesn't keep the others
 * from being called. @throws {InternalError} with the first failure as its cause.
 */
export async function closeAll(closers: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new InternalError(`closing failed: ${String(failures[0])}`, { cause: failures[0] });
}
