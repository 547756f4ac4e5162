import { keyText } from "../../domain/keys.ts";
import type { Finding } from "./report.ts";

/** Findings that one report holds: bounds its memory. With more drift than that, repair and check again. */
export const FINDINGS_MAX = 100_000;

/** The findings of a run: each memory and store once, although a scan may list an entry twice. */
export class FindingLog {
  readonly findings: Finding[] = [];
  readonly #known = new Set<string>();
  readonly #max: number;
  #kept = 0;
  #truncated = false;

  /** @param earlier findings of the interrupted run that is resumed. */
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

  /** Findings that no checkpoint has recorded yet. */
  unkept(): readonly Finding[] {
    return this.findings.slice(this.#kept);
  }

  /** Notes that a checkpoint recorded `count` more. */
  kept(count: number): void {
    this.#kept += count;
  }
}
