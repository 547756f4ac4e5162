/**
 * How many times faster than faiss-node's own `add(number[])` is filling the index through the host process, and does
 * the program stay responsive meanwhile?
 *
 *     npx tsx bench/faiss-fill.ts [--rounds 5] [--megabytes 60]
 *
 * Both in one run, taking turns. `add` gets arrays of numbers that were made beforehand and runs in this very process;
 * the other way is `publish`: validation, normalisation, process boundary, slot table and answer included. A fifth of
 * the vectors is read back and compared bit by bit.
 */
import { createRequire } from "node:module";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import type { Faiss } from "../src/stores/faiss/host/faiss.ts";
import type { LiveEntry } from "../src/stores/projection.ts";
import { milliseconds, perSecond, verify, withFolder } from "./support/report.ts";
import { median, quantile } from "./support/statistics.ts";
import { EMPTY_LEDGER, put, randomNumbers, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, megabytes: { type: "string", default: "60" } },
});
const CHUNK = 1_000;
const IN_FLIGHT = 3;
const soon = (): AbortSignal => AbortSignal.timeout(120_000);

for (const dimension of [384, 1_536]) {
  const count = Math.max(CHUNK, Math.round((Number(values.megabytes) * 1e6) / (dimension * 4) / CHUNK) * CHUNK);
  await withFolder((directory) => fill(directory, dimension, count));
}

async function fill(directory: string, dimension: number, count: number): Promise<void> {
  const faiss = createRequire(import.meta.url)("faiss-node") as Faiss;
  const next = uniformVectors(randomNumbers(1), dimension);
  const vectors = Array.from({ length: count }, next);
  const numbers: number[][] = [];
  for (let start = 0; start < count; start += 100) {
    numbers.push(vectors.slice(start, start + 100).flatMap((vector) => Array.from(vector)));
  }
  const index = await FaissProjection.open(
    { directory, dimension, metric: "cosine" },
    { source: EMPTY_LEDGER },
    soon(),
  );
  const [direct, hosted, settled]: number[][] = [[], [], []];
  const delays: { p50: number; p99: number; max: number }[] = [];
  try {
    for (let round = 0; round <= Number(values.rounds); round++) {
      let started = performance.now();
      const plain = new faiss.IndexFlatIP(dimension);
      for (const chunk of numbers) plain.add(chunk);
      const directMs = performance.now() - started;
      verify(plain.ntotal() === count, `${plain.ntotal()} vectors in the plain index`);

      const namespace = `round-${round}`;
      const changes = vectors.map((vector, at) => put(`memory-${at}`, 1, vector, namespace));
      await new Promise((resolve) => setTimeout(resolve, 100)); // Garbage of the preparation is not the fill's.
      // One for each round: a histogram that was paused counts the pause.
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      started = performance.now();
      const work = Array.from({ length: IN_FLIGHT }, async (_, lane) => {
        for (let start = lane * CHUNK; start < count; start += IN_FLIGHT * CHUNK) {
          await index.publish(changes.slice(start, start + CHUNK), soon());
        }
      });
      await Promise.all(work);
      const hostedMs = performance.now() - started;
      delay.disable();
      // What the host puts off until it is idle: digests for the consistency check.
      await index.digest(soon());
      const settledMs = performance.now() - started;
      await verifyHeld(index, changes);
      if (round === 0) continue; // Warm-up.
      direct?.push(directMs);
      hosted?.push(hostedMs);
      settled?.push(settledMs);
      delays.push({ p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 });
    }
    const ratios = (direct ?? []).map((ms, at) => ms / (hosted?.[at] as number));
    console.log(
      `${dimension}-d, ${count} vectors, ${CHUNK} per call, ${IN_FLIGHT} calls in flight, ${values.rounds} rounds`,
    );
    console.log(`  add(number[])        ${perSecond(count, median(direct ?? []))}`);
    console.log(`  through the host     ${perSecond(count, median(hosted ?? []))}`);
    console.log(`  … with its digests   ${perSecond(count, median(settled ?? []))}`);
    console.log(
      `  ratio                ${median(ratios).toFixed(1)} (of the rounds: ${quantile(ratios, 0).toFixed(1)} … ${quantile(ratios, 1).toFixed(1)})`,
    );
    const worst = (name: "p50" | "p99" | "max"): string =>
      milliseconds(Math.max(...delays.map((delay) => delay[name])));
    console.log(`  event-loop delay     p50 ${worst("p50")}, p99 ${worst("p99")}, max ${worst("max")} (worst round)`);
  } finally {
    await index.close();
  }
}

async function verifyHeld(index: FaissProjection, changes: readonly ReturnType<typeof put>[]): Promise<void> {
  const sample = changes.filter((_, at) => at % 5 === 0);
  for (let start = 0; start < sample.length; start += 500) {
    const part = sample.slice(start, start + 500);
    const entries = await index.read(part, { data: true }, soon());
    for (const [at, change] of part.entries()) {
      verify(entries[at]?.state === "live", `${change.memoryId} is not there`);
      verify(index.flaw(entries[at] as LiveEntry, change) === null, `${change.memoryId} differs`);
    }
  }
}
