import type { RunRecord } from "./state.ts";

/** Runs that the log keeps. */
const RUNS_MAX = 100;

/** The latest runs of a connector, the newest first. */
export class RunLog {
  readonly #runs: RunRecord[];

  constructor(runs: readonly RunRecord[]) {
    this.#runs = [...runs];
  }

  latest(limit: number): RunRecord[] {
    return this.#runs.slice(0, limit);
  }

  get running(): RunRecord | undefined {
    return this.#runs.find(({ state }) => state === "running");
  }

  /** Puts a run in front, or replaces it. */
  put(run: RunRecord): void {
    const at = this.#runs.findIndex(({ id }) => id === run.id);
    if (at >= 0) this.#runs[at] = run;
    else this.#runs.unshift(run);
    this.#runs.splice(RUNS_MAX);
  }

  /** Begins a run. One that runs is dead: it would have the lock. */
  begin(run: RunRecord): void {
    for (const dead of this.#runs.filter(({ state }) => state === "running")) {
      this.put({ ...dead, state: "interrupted", endedAt: run.startedAt });
    }
    this.put(run);
  }

  toJSON(): RunRecord[] {
    return this.#runs;
  }
}
