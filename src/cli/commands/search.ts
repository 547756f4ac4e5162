import { Option } from "commander";
import { searchDocument } from "../../documents/memory-documents.ts";
import type { SearchMode, SearchResult } from "../../index.ts";
import { SEARCH_MODES } from "../../read/search/search-result.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { ToldSources } from "../told-sources.ts";
import { addWhereFlag, whereOf } from "../where.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";

export const searchCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    addWhereFlag(command);
    command.addOption(
      new Option("--mode <mode>", "by vector, by words (text), or by both (hybrid)")
        .choices(SEARCH_MODES)
        .default("vector"),
    );
    command.option(
      "--weight-vector <weight>",
      "how much a place by vector counts in mode hybrid; by words it counts 1",
    );
    command.option("-k, --k <count>", "number of results, 1 to 1000", "10");
    command.option("--score-min <score>", "leave out results with a lower score");
  },
  async run(invocation) {
    const [query = ""] = invocation.args;
    const scoreMin =
      invocation.flags.scoreMin === undefined ? null : numberOf(invocation.flags.scoreMin, "--score-min");
    const { weightVector } = invocation.flags;
    const told = new ToldSources(invocation);
    const options = {
      ...inNamespace(invocation),
      ...whereOf(invocation),
      ...(scoreMin !== null && { scoreMin }),
      ...(weightVector !== undefined && { weights: { vector: numberOf(weightVector, "--weight-vector") } }),
      mode: invocation.flags.mode as SearchMode,
      k: numberOf(invocation.flags.k, "--k"),
      signal: invocation.signal,
      onSources: told.tell,
    };
    const needs = options.mode === "text" ? withoutIndex : undefined;
    const results = await withSynchronizer(invocation, (sync) => sync.search(query, options), needs);
    return {
      exitCode: EXIT.ok,
      json: searchDocument(query, results, told.sources),
      text: results.length === 0 ? "nothing found" : resultsText(results, 0, options.mode === "hybrid" ? 5 : 3),
    };
  },
};

/** Search results for people, one a line. @param indent characters that the caller puts in front of each line. @param digits of scores, behind the point. */
export function resultsText(results: readonly SearchResult[], indent = 0, digits = 3): string {
  return columns(
    [{ head: "score", align: "right" }, { head: "memory", whole: true }, { head: "content" }],
    // Fused ranks differ in the fourth digit.
    results.map(({ score, memory }) => [score.toFixed(digits), memory.memoryId, memory.content]),
    { indent },
  );
}

function numberOf(text: unknown, flag: string): number {
  const number = Number(text);
  if (text === "" || !Number.isFinite(number)) throw new UsageError(`${flag} must be a number, not ${String(text)}`);
  return number;
}
