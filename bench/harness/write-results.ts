import { mkdir, rm, writeFile } from "node:fs/promises";
import { type Run, resultsPage } from "./markdown.ts";
import { scenarioPlot } from "./svg.ts";

const PAGE = new URL("../RESULTS.md", import.meta.url);
const PLOTS = new URL("../results/", import.meta.url);

/** Writes bench/RESULTS.md, and its plots beside it, in the place of what was there. */
export async function writeResults(run: Run): Promise<void> {
  await rm(PLOTS, { recursive: true, force: true });
  await mkdir(PLOTS, { recursive: true });
  const plots = new Map<string, string>();
  for (const { name, results } of run.outcomes) {
    const plot = scenarioPlot(results);
    if (plot === null) continue;
    await writeFile(new URL(`${name}.svg`, PLOTS), plot);
    plots.set(name, `results/${name}.svg`);
  }
  await writeFile(PAGE, resultsPage(run, plots));
}
