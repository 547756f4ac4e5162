import { describe, expect, test } from "vitest";
import { fuseRankings, type WeightedRanking } from "../../../src/read/search/reciprocal-rank.ts";
import type { SearchResult } from "../../../src/read/search/search-result.ts";

const ranking = (...ids: string[]): WeightedRanking => ({
  name: "text",
  weight: 1,
  results: ids.map((memoryId, at) => ({ memory: { memoryId, version: 1 }, score: 100 - at }) as SearchResult),
});
const shown = (results: readonly SearchResult[]) => results.map(({ memory, score }) => [memory.memoryId, score]);

describe("fuseRankings", () => {
  test("adds 1 / (60 + rank) over the rankings that have a memory", () => {
    const fused = fuseRankings([ranking("a", "b", "c"), ranking("c", "a", "d")], 10);
    expect(shown(fused)).toEqual([
      ["a", 1 / 61 + 1 / 62],
      ["c", 1 / 63 + 1 / 61],
      ["b", 1 / 62],
      ["d", 1 / 63],
    ]);
  });

  test("a place counts as much as its ranking weighs", () => {
    const words = ranking("a", "b");
    const near = { ...ranking("c", "b"), weight: 0.5 };
    expect(shown(fuseRankings([words, near], 10))).toEqual([
      ["b", 1 / 62 + 0.5 / 62],
      ["a", 1 / 61],
      ["c", 0.5 / 61],
    ]);
  });

  test("of equal scores the earlier ranking's comes first, and k is a bound", () => {
    expect(shown(fuseRankings([ranking("word"), ranking("near")], 10)).map(([id]) => id)).toEqual(["word", "near"]);
    expect(fuseRankings([ranking("a", "b"), ranking("c")], 2)).toHaveLength(2);
    expect(fuseRankings([ranking(), ranking("a")], 5)).toHaveLength(1);
    expect(fuseRankings([ranking(), ranking()], 5)).toEqual([]);
  });

  test("says what each ranking gave to a score", () => {
    const words = ranking("a", "b");
    const near = { ...ranking("b"), name: "vector" as const, weight: 0.5 };
    const fused = fuseRankings([words, near], 10);
    expect(fused.map(({ memory, parts }) => [memory.memoryId, parts])).toEqual([
      ["b", { text: { rank: 2, score: 99, share: 1 / 62 }, vector: { rank: 1, score: 100, share: 0.5 / 61 } }],
      ["a", { text: { rank: 1, score: 100, share: 1 / 61 }, vector: null }],
    ]);
    for (const { score, parts } of fused) {
      expect((parts?.text?.share ?? 0) + (parts?.vector?.share ?? 0)).toBeCloseTo(score, 12);
    }
  });

  test("shows the newest version that a ranking read", () => {
    const [older, newer] = [ranking("a"), ranking("a")];
    Object.assign(newer.results[0]?.memory ?? {}, { version: 2 });
    const shownVersions = [fuseRankings([older, newer], 1), fuseRankings([newer, older], 1)].map(
      ([first]) => first?.memory.version,
    );
    expect(shownVersions).toEqual([2, 2]);
  });
});
