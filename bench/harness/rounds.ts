import type { Budget } from "./budget.ts";
import type { BenchContext, Measure, Role, ScenarioResult, Unit } from "./scenario.ts";

/** One of those that take turns at the same task. */
export interface Contender {
  readonly name: string;
  readonly role: Role;
  readonly durable?: string;
  /** What `run` answers, in that order. */
  readonly figures: readonly Figure[];
  /**
   * Does the task once, checks what came out, and answers its figures. What is not the task is done outside of the time
   * that is taken, data made beforehand included.
   * @param turn 0 and up, warm-ups counted: for data of its own.
   * @throws when the result is wrong: then nothing of the scenario counts.
   */
  run(turn: number): Promise<readonly number[]>;
}

export interface Figure {
  readonly unit: Unit;
  /** Where there are several of a unit. */
  readonly name?: string;
}

/** How many rounds are wanted, and the time for them. */
export interface RoundPlan {
  readonly rounds: number;
  /** After the first round, only those that fit in it. Absent: all. */
  readonly budget?: Budget;
}

export interface RoundOptions extends RoundPlan {
  /** Turns of everybody whose figures are thrown away; fewer when there is no time, at least one. @default 1 */
  readonly warmUps?: number;
  /** Awaited before each turn, so that nobody pays for what another one put off. */
  readonly before?: () => Promise<void>;
  /** Told of each round that is over, from 1 on; not of warm-ups. */
  readonly onRound?: (round: number) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/**
 * Lets the contenders take turns: A B C, then C B A, and so on, so that a machine that gets slower or faster meanwhile
 * does so for all of them.
 */
export async function alternate(contenders: readonly Contender[], options: RoundOptions): Promise<Measure[]> {
  const { rounds, budget, warmUps = 1, before, onRound, clock = () => performance.now() } = options;
  const values = contenders.map(({ figures }) => figures.map((): number[] => []));
  let turn = 0;
  let longestMs = 0;
  const fits = (turns: number): boolean => budget === undefined || budget.fits(turns * longestMs);
  const play = async (take: (index: number, answer: readonly number[]) => void): Promise<void> => {
    const startedAt = clock();
    for (const index of order(contenders.length, turn)) {
      const contender = contenders[index] as Contender;
      await before?.();
      const answer = await contender.run(turn);
      checkAnswer(contender, answer);
      take(index, answer);
    }
    turn++;
    longestMs = Math.max(longestMs, clock() - startedAt);
  };
  // A further warm-up is not to take the place of the one round that there is in any case.
  while (turn < warmUps && (turn === 0 || fits(2))) await play(() => undefined);
  let played = 0;
  while (played < rounds && (played === 0 || fits(1))) {
    await play((index, answer) => {
      answer.forEach((value, figure) => void values[index]?.[figure]?.push(value));
    });
    played++;
    onRound?.(played);
  }
  return contenders.flatMap(({ name, role, durable, figures }, index) =>
    figures.map((figure, at) => ({
      contender: name,
      role,
      unit: figure.unit,
      values: values[index]?.[at] ?? [],
      ...(figure.name !== undefined && { figure: figure.name }),
      ...(durable !== undefined && { durable }),
      ...(played < rounds && { roundsPlanned: rounds }),
    })),
  );
}

/** Who goes when: 0 … count - 1 in even turns, backwards in odd ones. */
export function order(count: number, turn: number): number[] {
  const forwards = Array.from({ length: count }, (_, index) => index);
  return turn % 2 === 0 ? forwards : forwards.reverse();
}

/** Rounds of a measurement: what was asked for, or as many as fit its size and its time. */
export function planRounds(
  { quick, rounds, budget }: Pick<BenchContext, "quick" | "rounds" | "budget">,
  full: number,
  inQuick: number,
): RoundPlan {
  return rounds === undefined ? { rounds: quick ? inQuick : full, budget } : { rounds };
}

/** The same for small vectors and large ones; a quick run has time for small ones only. */
export async function forDimensions(
  context: BenchContext,
  measure: (context: BenchContext, dimension: number) => Promise<ScenarioResult>,
): Promise<ScenarioResult[]> {
  return await forEach(context, context.quick ? [384] : [384, 1_536], measure);
}

/** One measurement after the other, each with its part of the time. */
export async function forEach<T>(
  context: BenchContext,
  items: readonly T[],
  measure: (context: BenchContext, item: T, index: number) => Promise<ScenarioResult>,
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const [index, item] of items.entries()) {
    const budget = context.budget.part(items.length - index);
    results.push(await measure({ ...context, budget }, item, index));
  }
  return results;
}

function checkAnswer({ name, figures }: Contender, answer: readonly number[]): void {
  const sound = answer.length === figures.length && answer.every((value) => Number.isFinite(value) && value >= 0);
  if (!sound) throw new Error(`${name} answered [${answer.join(", ")}] for ${figures.length} figures`);
}
