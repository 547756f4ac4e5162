import type { DriftKind, Finding, MemoryKey } from "../../index.ts";

/** Drift that was put in, and that a check must find: this and nothing else. */
export interface Injection {
  readonly store: Finding["store"];
  readonly kind: DriftKind;
  readonly memoryIds: readonly string[];
  /** What was done, for people. */
  readonly what: string;
}

/** Hands out memories that nothing was done to yet. */
export type Take = (howMany: number) => MemoryKey[];
