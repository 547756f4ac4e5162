import type { BenchContext, FreeTable, Measure, Unit } from "../harness/scenario.ts";
import { CONTENDERS, type ContenderName } from "./contender.ts";
import { installPeers } from "./install.ts";
import { Stand } from "./stand.ts";

export const OURS: ContenderName = "mnemosync";
/** The one whose ratio to ours is promised; in a quick run the only one. */
export const MAIN_PEER: ContenderName = "LangChain";

/** What each of them has promised once it has answered: see what is left of them after a kill, in `peer-faults`. */
export const DURABLE: Readonly<Record<ContenderName, string>> = {
  mnemosync: "documents, vectors, versions (PostgreSQL); Redis and FAISS are filled from it",
  LangChain: "the keys only (PostgreSQL); documents and vectors not before save()",
  LangGraph: "documents (PostgreSQL); it has no vectors without pgvector",
  mem0: "documents, vectors, history (SQLite files)",
};

/** Everybody who takes part. A peer that fails is out from then on, with its reason; ours fails the scenario. */
export class LineUp {
  readonly #context: BenchContext;
  readonly #stands = new Map<ContenderName, Stand>();
  readonly #out: Map<ContenderName, string>;
  readonly #versions = new Map<ContenderName, string>();

  private constructor(context: BenchContext, out: Map<ContenderName, string>) {
    this.#context = context;
    this.#out = out;
  }

  /** Each in a process of its own; those that are not installed are installed first, unless the run is a quick one. */
  static async open(context: BenchContext, names: readonly ContenderName[], dimension: number): Promise<LineUp> {
    const lineUp = new LineUp(context, await installPeers(!context.quick, (line) => context.log(line)));
    try {
      for (const name of CONTENDERS) {
        if (names.includes(name)) await lineUp.#enter(name, dimension);
        else if (!lineUp.#out.has(name)) lineUp.#out.set(name, "not in a quick run");
      }
      return lineUp;
    } catch (error) {
      await lineUp.close();
      throw error;
    }
  }

  /** Those that are still in, ours first. */
  get names(): ContenderName[] {
    return [...this.#stands.keys()];
  }

  /** Null when it is out, or fails at this. */
  async attempt<T>(name: ContenderName, work: (stand: Stand) => Promise<T>): Promise<T | null> {
    const stand = this.#stands.get(name);
    if (stand === undefined) return null;
    try {
      return await work(stand);
    } catch (error) {
      if (name === OURS) throw error;
      this.#drop(name, error);
      await stand.close();
      return null;
    }
  }

  /** A contender goes on in another process. */
  replace(stand: Stand): void {
    this.#stands.set(stand.name, stand);
  }

  /** Versions of those that took part, and reasons of those that did not. */
  table(): FreeTable {
    return {
      columns: ["contender", "version", "not measured, because"],
      rows: CONTENDERS.map((name) => [name, this.#versions.get(name) ?? "", this.#out.get(name) ?? ""]),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stands.values()].map((stand) => stand.close()));
  }

  async #enter(name: ContenderName, dimension: number): Promise<void> {
    if (this.#out.has(name)) return;
    try {
      const stand = await Stand.open(name, this.#context, dimension);
      this.#stands.set(name, stand);
      const versions = Object.entries(stand.versions).map(([pack, version]) => `${pack} ${version}`);
      this.#versions.set(name, versions.join(", "));
    } catch (error) {
      if (name === OURS) throw error;
      this.#drop(name, error);
    }
  }

  #drop(name: ContenderName, error: unknown): void {
    const [reason = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    this.#stands.delete(name);
    this.#out.set(name, reason);
    this.#context.log(`${name} is out: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Gathers a figure for each round under the name of what was measured. */
export class Figures {
  readonly #values = new Map<string, { name: ContenderName; values: number[]; rounds: Rounds | null }>();
  readonly #unit: Unit;

  constructor(unit: Unit) {
    this.#unit = unit;
  }

  add(name: ContenderName, what: string, value: number): void {
    const label = what === "" ? name : `${name}, ${what}`;
    const entry = this.#values.get(label) ?? { name, values: [], rounds: null };
    this.#values.set(label, entry);
    entry.values.push(value);
  }

  values(name: ContenderName, what: string): readonly number[] {
    return this.#values.get(`${name}, ${what}`)?.values ?? [];
  }

  /** Ends the rounds of what was added since the last time. Whoever did not go through all of them has no figure. */
  settle(played: number, planned: number): void {
    for (const [label, entry] of this.#values) {
      if (entry.rounds !== null) continue;
      if (entry.values.length === played) entry.rounds = { played, planned };
      else this.#values.delete(label);
    }
  }

  /** Of those that went through all rounds. */
  measures(): Measure[] {
    return [...this.#values].map(([contender, { name, values, rounds }]) => ({
      contender,
      role: name === OURS ? "ours" : "peer",
      unit: this.#unit,
      values,
      durable: DURABLE[name],
      ...(rounds !== null && rounds.played < rounds.planned && { roundsPlanned: rounds.planned }),
    }));
  }
}

interface Rounds {
  readonly played: number;
  readonly planned: number;
}
