/** How well rankings answer questions: means over the questions, 0 … 1. */
export interface Quality {
  readonly recallAt1: number;
  readonly recallAt5: number;
  readonly recallAt10: number;
  /** Mean reciprocal rank of the first answer. */
  readonly reciprocalRank: number;
  /** Normalised discounted cumulative gain of the first ten, each answer worth the same. */
  readonly gainAt10: number;
}

/** @param rankings ids, best first, and the ids that answer, for each question. */
export function qualityOf(rankings: readonly { found: readonly string[]; answers: ReadonlySet<string> }[]): Quality {
  const mean = (value: (ranking: (typeof rankings)[number]) => number): number =>
    rankings.reduce((sum, ranking) => sum + value(ranking), 0) / rankings.length;
  const recall = (depth: number): number =>
    mean(
      ({ found, answers }) =>
        found.slice(0, depth).filter((id) => answers.has(id)).length / Math.min(depth, answers.size),
    );
  return {
    recallAt1: recall(1),
    recallAt5: recall(5),
    recallAt10: recall(10),
    reciprocalRank: mean(({ found, answers }) => {
      const at = found.findIndex((id) => answers.has(id));
      return at < 0 ? 0 : 1 / (at + 1);
    }),
    gainAt10: mean(({ found, answers }) => {
      const gain = (ranks: readonly number[]): number => ranks.reduce((sum, rank) => sum + 1 / Math.log2(rank + 2), 0);
      const hits = found.slice(0, 10).flatMap((id, rank) => (answers.has(id) ? [rank] : []));
      return gain(hits) / gain(Array.from({ length: Math.min(10, answers.size) }, (_, rank) => rank));
    }),
  };
}
