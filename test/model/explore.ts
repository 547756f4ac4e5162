import { hash as digest } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";

/** One thing that may happen next: its name for traces, and the state afterwards. */
export interface Step<State> {
  readonly name: string;
  readonly next: State;
}

/** A model: where it starts, what may happen in a state, and what must hold in every state that can be reached. */
export interface Model<State> {
  readonly initial: State;
  /** Every step that is possible in `state`. Must not change `state`. */
  steps(state: State): Iterable<Step<State>>;
  /** What is wrong in `state`; null when nothing is. */
  violation(state: State): string | null;
}

export interface Exploration {
  /** Distinct states that were reached. */
  readonly states: number;
  readonly transitions: number;
  /** The shortest way to a violation, as names of steps; null when there is none. */
  readonly counterexample: { readonly violation: string; readonly trace: readonly string[] } | null;
}

/** States after which other work of the process gets its turn: the test runner ends a run whose messages wait for a minute. */
const TURN_STATES = 2_000;

/**
 * Looks at every state that a model can reach, breadth first, so that a counterexample is a shortest one. States are
 * told apart by the SHA-1 of their JSON text, which therefore must list everything in one order: two texts with one hash
 * are not to be expected among millions.
 * @throws {RangeError} More than `statesMax` states: a bound that was not reached proves nothing.
 */
export async function explore<State>(model: Model<State>, { statesMax = 2_000_000 } = {}): Promise<Exploration> {
  let frontier = [{ text: JSON.stringify(model.initial), index: 0 }];
  const seen = new Set([hash(frontier[0]!.text)]);
  const cameFrom: Origin[] = [{ parent: -1, name: "start" }];
  let transitions = 0;
  let looked = 0;
  while (frontier.length > 0) {
    const following: typeof frontier = [];
    for (const { text, index } of frontier) {
      if (++looked % TURN_STATES === 0) await turn();
      const state = JSON.parse(text) as State;
      const violation = model.violation(state);
      if (violation !== null) {
        return { states: seen.size, transitions, counterexample: { violation, trace: traceTo(index, cameFrom) } };
      }
      for (const { name, next } of model.steps(state)) {
        transitions += 1;
        const nextText = JSON.stringify(next);
        const nextHash = hash(nextText);
        if (seen.has(nextHash)) continue;
        if (seen.size >= statesMax) throw new RangeError(`more than ${statesMax} states: make the scenario smaller`);
        seen.add(nextHash);
        following.push({ text: nextText, index: cameFrom.length });
        cameFrom.push({ parent: index, name });
      }
    }
    frontier = following;
  }
  return { states: seen.size, transitions, counterexample: null };
}

interface Origin {
  readonly parent: number;
  readonly name: string;
}

/** Tells two texts apart, in few bytes. */
export function hash(text: string): string {
  return digest("sha1", text, "binary");
}

function traceTo(index: number, cameFrom: readonly Origin[]): string[] {
  const trace: string[] = [];
  for (let at = index; at > 0; at = cameFrom[at]!.parent) trace.push(cameFrom[at]!.name);
  return trace.reverse();
}
