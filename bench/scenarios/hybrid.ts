import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { type Quality, qualityOf } from "../retrieval/quality.ts";
import { QUESTIONS } from "../retrieval/questions.ts";
import type { BenchMemory } from "../support/dataset.ts";
import { indexCost } from "../support/index-cost.ts";
import { OurStores, verifyOutcomes } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { median, quantile } from "../support/statistics.ts";
import { latencies } from "../support/timed.ts";

const MODES = ["vector", "text", "hybrid"] as const;
const DIMENSION = 384;
const K = 10;

/** Questions: do words beside vectors find more, and what does their index cost those who write? */
export const hybrid: Scenario = {
  name: "hybrid",
  run: async (context) => [
    await quality(context),
    await indexCost(context, {
      title: "What the index of words costs a write",
      rewrites: false,
      ledgers: [
        { name: "without the index", indexes: {} },
        { name: "with the index of words", indexes: { text: "english" } },
      ],
    }),
  ],
};

async function quality(context: BenchContext): Promise<ScenarioResult> {
  const file = context.conversations;
  const title = "Quality of the modes of search on conversations";
  if (file === undefined || !existsSync(file)) {
    const reason = file === undefined ? "--conversations names no file" : `${file} does not exist`;
    const method = `Left out: ${reason}. It holds a memory a line, as JSON, of the conversations that the questions are about.`;
    return { title, method, measures: [], targets: [] };
  }
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const memories = lines.map((line) => JSON.parse(line) as Omit<BenchMemory, "embedding">);
  const ids = memories.map(({ memoryId }) => memoryId);
  const ours = await OurStores.open(context, {
    dimension: DIMENSION,
    embedding: { provider: "hashing" },
    indexes: { text: "english" },
  });
  try {
    verifyOutcomes(await ours.sync.syncBatch(memories), memories.length, "synced");
    await ours.sql`analyze`;
    const rows: string[][] = [];
    for (const mode of MODES) {
      const rankings = QUESTIONS.map(({ answers }) => ({ found: [] as string[], answers: idsEnding(ids, answers) }));
      const ask = async (at: number): Promise<void> => {
        const results = await ours.sync.search(QUESTIONS[at]?.text ?? "", { mode, k: K });
        (rankings[at] as { found: string[] }).found = results.map(({ memory }) => memory.memoryId);
      };
      await latencies(QUESTIONS.length, ask); // To warm up.
      const times = await latencies(QUESTIONS.length, ask);
      const of = (set: string, keep: (at: number) => boolean, ...speed: string[]) =>
        rows.push([mode, set, ...figuresOf(qualityOf(rankings.filter((_, at) => keep(at)))), ...speed]);
      of("all", () => true, median(times).toFixed(1), quantile(times, 0.95).toFixed(1));
      of("chose the weight", (at) => at % 2 === 0, "", "");
      of("held out", (at) => at % 2 === 1, "", "");
    }
    const columns = ["mode", "questions", "recall@1", "recall@5", "recall@10", "MRR", "nDCG@10", "p50, ms", "p95, ms"];
    return {
      title,
      method:
        `${QUESTIONS.length} questions of our own (\`retrieval/questions.ts\`) about ${memories.length.toLocaleString("en-US")} messages of five ` +
        "conversations in one namespace, with the offline embedder (`hashing`) and the index of English words. The embedder's weight in hybrid was chosen on every " +
        "second question, and is held to the others.",
      measures: [],
      targets: [],
      table: { columns, rows },
    };
  } finally {
    await ours.close();
  }
}

function idsEnding(ids: readonly string[], endings: readonly string[]): ReadonlySet<string> {
  const found = endings.map((ending) => ids.find((id) => id.endsWith(`-${ending}`)));
  verify(!found.includes(undefined), `no memory has an id that ends in one of ${endings.join(", ")}`);
  return new Set(found as string[]);
}

function figuresOf(found: Quality): string[] {
  const { recallAt1, recallAt5, recallAt10, reciprocalRank, gainAt10 } = found;
  return [recallAt1, recallAt5, recallAt10, reciprocalRank, gainAt10].map((value) => value.toFixed(3));
}
