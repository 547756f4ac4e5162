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

export interface RoundOptions {
  readonly rounds: number;
  /** Turns of everybody whose figures are thrown away. @default 1 */
  readonly warmUps?: number;
  /** Awaited before each turn, so that nobody pays for what another one put off. */
  readonly before?: () => Promise<void>;
  /** Told of each round that is over, from 1 on; not of warm-ups. */
  readonly onRound?: (round: number) => void;
}

/**
 * Lets the contenders take turns: A B C, then C B A, and so on, so that a machine that gets slower or faster meanwhile
 * does so for all of them.
 */
export async function alternate(contenders: readonly Contender[], options: RoundOptions): Promise<Measure[]> {
  const { rounds, warmUps = 1, before, onRound } = options;
  const values = contenders.map(({ figures }) => figures.map((): number[] => []));
  for (let turn = 0; turn < warmUps + rounds; turn++) {
    for (const index of order(contenders.length, turn)) {
      const contender = contenders[index] as Contender;
      await before?.();
      const answer = await contender.run(turn);
      checkAnswer(contender, answer);
      if (turn < warmUps) continue;
      answer.forEach((value, figure) => void values[index]?.[figure]?.push(value));
    }
    if (turn >= warmUps) onRound?.(turn - warmUps + 1);
  }
  return contenders.flatMap(({ name, role, durable, figures }, index) =>
    figures.map((figure, at) => ({
      contender: name,
      role,
      unit: figure.unit,
      values: values[index]?.[at] ?? [],
      ...(figure.name !== undefined && { figure: figure.name }),
      ...(durable !== undefined && { durable }),
    })),
  );
}

/** Who goes when: 0 … count - 1 in even turns, backwards in odd ones. */
export function order(count: number, turn: number): number[] {
  const forwards = Array.from({ length: count }, (_, index) => index);
  return turn % 2 === 0 ? forwards : forwards.reverse();
}

/** Rounds of a measurement: what was asked for, or what fits its size. */
export function roundsOf(context: Pick<BenchContext, "quick" | "rounds">, full: number, quick: number): number {
  return context.rounds ?? (context.quick ? quick : full);
}

/** The same for small vectors and large ones; a quick run has time for small ones only. */
export async function forDimensions(
  context: BenchContext,
  measure: (context: BenchContext, dimension: number) => Promise<ScenarioResult>,
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const dimension of context.quick ? [384] : [384, 1_536]) results.push(await measure(context, dimension));
  return results;
}

function checkAnswer({ name, figures }: Contender, answer: readonly number[]): void {
  const sound = answer.length === figures.length && answer.every((value) => Number.isFinite(value) && value >= 0);
  if (!sound) throw new Error(`${name} answered [${answer.join(", ")}] for ${figures.length} figures`);
}
