import type { MemoryKey } from "../../domain/keys.ts";
import type { ConflictPolicy } from "../settings.ts";
import type { Facts } from "./facts.ts";
import type { SqlFile } from "./sql-file.ts";

/** What the rooms of the file share. */
export interface FileContext {
  readonly file: SqlFile;
  readonly facts: Facts;
  readonly settings: FileSettings;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Settings that the file itself needs. */
export interface FileSettings {
  readonly conflictPolicy: ConflictPolicy;
  readonly attemptsMax: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly preserveOriginals: boolean;
  readonly conflictsDirectory: string;
}

/** Something that the file's work came upon, told to listeners and counted. */
export type FileNotice =
  | {
      readonly kind: "conflict";
      readonly key: MemoryKey;
      readonly conflictId: string;
      readonly policy: ConflictPolicy;
      readonly resolution: "local" | "remote" | "merged" | "pending";
      readonly reason: string;
    }
  | { readonly kind: "failed"; readonly key: MemoryKey; readonly code: string; readonly message: string }
  | { readonly kind: "erased"; readonly key: MemoryKey }
  | { readonly kind: "offered_again"; readonly key: MemoryKey };

/** Milliseconds since 1970 by the hub's clock, as far as this device knows the difference. */
export function hubTime(facts: Facts, nowMs: number): number {
  return nowMs + facts.number("clock_offset_ms");
}
