import { keyText } from "../domain/keys.ts";
import type { LockedRow } from "../ledger/write-statements.ts";
import type { Decision } from "./plan.ts";

/** Rows in each of the two generations, some 4 MB together. */
const GENERATION_MAX = 8_192;

/** Memories of a transaction that are noted, at most. */
const NOTED_MAX = 100;

/**
 * The ledger's rows of the memories that this process wrote or looked at last, by key text. A write is sent on what is
 * known, before its row was seen, and the ledger carries it out only where the row is still the known one: a row that is
 * outdated, or absent here, costs a round trip and nothing else. Kept in two generations, as `VersionFloors` is.
 */
export class KnownRows {
  #young = new Map<string, LockedRow>();
  #old = new Map<string, LockedRow>();

  of(text: string): LockedRow | undefined {
    return this.#young.get(text) ?? this.#old.get(text);
  }

  /** A row that was committed, or read under its lock. */
  note(text: string, row: LockedRow): void {
    this.#young.set(text, row);
    if (this.#young.size < GENERATION_MAX) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** The ledger has no such row. */
  forget(text: string): void {
    this.#young.delete(text);
    this.#old.delete(text);
  }
}

/** Takes note of what a transaction committed. */
export function noteWritten(known: KnownRows, decisions: readonly Decision[], txId: string): void {
  // Bulk writes would only push out what is written memory by memory.
  if (decisions.length > NOTED_MAX) return;
  for (const decision of decisions) {
    if (decision.action !== "write") continue;
    const { version, checksum, versionVector, hasEmbedding, endedBy } = decision.write;
    known.note(keyText(decision.write), { version, checksum, versionVector, hasEmbedding, endedBy, txId });
  }
}
