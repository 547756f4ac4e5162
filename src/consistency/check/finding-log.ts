import { keyText } from "../../domain/keys.ts";
import type { Finding } from "./report.ts";

/** Findings that one report holds: bounds its memory. Whoever has more drift than that repairs and checks again. */
export const FINDINGS_MAX = 100_000;

/** What a run found: each memory and store once, however often a scan comes by. */
export class FindingLog {
  readonly findings: Finding[] = [];
  readonly #known = new Set<string>();
  readonly #max: number;
  #kept = 0;
  #truncated = false;

  /** @param earlier what an interrupted run had found. */
  constructor(earlier: readonly Finding[] = [], max = FINDINGS_MAX) {
    this.#max = max;
    for (const finding of earlier) this.add(finding);
    this.#kept = this.findings.length;
  }

  get truncated(): boolean {
    return this.#truncated;
  }

  add(finding: Finding): void {
    const name = `${finding.store}\u0000${keyText(finding)}`;
    if (this.#known.has(name)) return;
    if (this.findings.length >= this.#max) {
      this.#truncated = true;
      return;
    }
    this.#known.add(name);
    this.findings.push(finding);
  }

  /** Those that no checkpoint has kept yet. */
  unkept(): readonly Finding[] {
    return this.findings.slice(this.#kept);
  }

  /** Notes that a checkpoint kept `count` more. */
  kept(count: number): void {
    this.#kept += count;
  }
}
