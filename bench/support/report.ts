import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty folder while `use` runs. */
export async function withFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
  try {
    return await use(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** Ends the bench with what is wrong with its own result. */
export function verify(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`the bench's own result is wrong: ${what}`);
}

export const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
export const perSecond = (count: number, ms: number): string => `${Math.round((count / ms) * 1_000)}/s`;
