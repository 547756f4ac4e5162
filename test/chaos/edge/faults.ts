/** How often each fault comes, 0 … 1 per call. */
export interface FaultRates {
  /** The request never arrives. */
  readonly dropped: number;
  /** It is carried out, and the answer never arrives. */
  readonly unanswered: number;
  /** It is carried out twice; the answer is that of either. */
  readonly doubled: number;
  /** The edge gives up, and the request arrives later, behind others. */
  readonly late: number;
  /** The process of the edge is killed with -9, at a step of the sync. */
  readonly killed: number;
  /** The process of the hub is killed with -9, at a step of the call. Only where the hub is a process. */
  readonly hubKilled: number;
  /** The answer takes its time, so that a later one overtakes it. Only where edges sync in the background. */
  readonly slow: number;
}

export const NO_FAULTS: FaultRates = {
  ...{ dropped: 0, unanswered: 0, doubled: 0, late: 0, killed: 0, hubKilled: 0, slow: 0 },
};

export const FAULTS: FaultRates = {
  ...{ dropped: 0.08, unanswered: 0.12, doubled: 0.1, late: 0.1, killed: 0.05, hubKilled: 0.02, slow: 0.1 },
};

/** How often something happened, by name. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  addAll(other: Tally): void {
    for (const [name, count] of other.#counts) this.add(name, count);
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  get names(): readonly string[] {
    return [...this.#counts.keys()].sort();
  }

  toString(): string {
    return this.names.map((name) => `${name} ${this.#counts.get(name)}`).join(", ");
  }
}
