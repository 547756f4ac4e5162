import { setTimeout as pause } from "node:timers/promises";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores } from "../support/our-stores.ts";
import { GarbagePauses, phasesTable, type TracedWrite } from "./phases.ts";
import { type Message, Taps } from "./taps.ts";

const DIMENSION = 384;
/** Memories that are stored before. */
const STORED = 2_000;
/** Calls of each kind before the ones that are traced, so that their code is compiled. */
const WARM_UPS = 300;
/** Calls that are traced; the one of median length is shown. */
const TRACED = 41;
/** Writes whose steps are compared, one after the other. */
const COMPARED = 1_000;
/** Milliseconds after the answer in which messages still belong to a call, which marks its transaction then. */
const AFTERMATH_MS = 60;

interface Traced {
  readonly beganAt: number;
  readonly tookMs: number;
  readonly messages: readonly Message[];
}

/** One write and one search, message by message: which store was told what, and when it answered. */
export async function traceOne(context: BenchContext): Promise<ScenarioResult[]> {
  const postgresUrl = await context.newDatabase();
  const taps = await Taps.open(postgresUrl, context.redisUrl);
  const ours = await OurStores.open({ ...context, newDatabase: async () => postgresUrl }, { dimension: DIMENSION });
  try {
    const stored = benchMemories(0, STORED, 0, DIMENSION);
    await ours.sync.syncBatch(stored);
    const written = benchMemories(STORED, STORED + WARM_UPS + TRACED + COMPARED, 0, DIMENSION);
    const write = async (at: number): Promise<void> => {
      const { memoryId, ...fields } = written[at] as (typeof written)[number];
      await ours.sync.syncMemory(memoryId, fields);
    };
    const search = async (at: number): Promise<void> => {
      await ours.sync.search((stored[at] as (typeof stored)[number]).embedding, { k: 10 });
    };
    return [
      resultOf("One write of a new memory", await medianOf(taps, write)),
      resultOf(`One search among ${STORED.toLocaleString("en-US")}, 10 hits`, await medianOf(taps, search)),
      await slowWrites(taps, write),
    ];
  } finally {
    await ours.close();
    taps.close();
  }
}

async function medianOf(taps: Taps, call: (at: number) => Promise<void>): Promise<Traced> {
  for (let at = 0; at < WARM_UPS; at++) await call(at);
  const traced: Traced[] = [];
  for (let at = 0; at < TRACED; at++) {
    await pause(AFTERMATH_MS);
    taps.messages.length = 0;
    const beganAt = performance.now();
    await call(WARM_UPS + at);
    const tookMs = performance.now() - beganAt;
    await pause(AFTERMATH_MS);
    traced.push({ beganAt, tookMs, messages: [...taps.messages] });
  }
  traced.sort((one, other) => one.tookMs - other.tookMs);
  return traced[traced.length >> 1] as Traced;
}

async function slowWrites(taps: Taps, write: (at: number) => Promise<void>): Promise<ScenarioResult> {
  const pauses = new GarbagePauses();
  const writes: TracedWrite[] = [];
  for (let at = 0; at < COMPARED; at++) {
    taps.messages.length = 0;
    const beganAt = performance.now();
    await write(WARM_UPS + TRACED + at);
    writes.push({ beganAt, endedAt: performance.now(), messages: [...taps.messages] });
  }
  await pause(AFTERMATH_MS); // The observer is told of pauses later.
  pauses.close();
  return {
    title: `Where the slow ones of ${COMPARED.toLocaleString("en-US")} writes lose their time`,
    method:
      "Milliseconds of each step: the medians of all writes, of the slowest twentieth and of the slowest hundredth.",
    measures: [],
    targets: [],
    table: phasesTable(writes, pauses),
  };
}

function resultOf(title: string, { beganAt, tookMs, messages }: Traced): ScenarioResult {
  const since = (at: number): string => (at - beganAt).toFixed(2);
  const rows = messages.map(({ store, what, bytes, sentAt, answeredAt }) => ({
    at: sentAt - beganAt,
    cells: [
      since(sentAt),
      store,
      what,
      bytes === null ? "" : String(bytes),
      answeredAt === null ? "" : since(answeredAt),
      answeredAt === null ? "" : (answeredAt - sentAt).toFixed(2),
    ],
  }));
  rows.push({ at: tookMs, cells: [tookMs.toFixed(2), "caller", "**is answered**", "", "", ""] });
  rows.sort((one, other) => one.at - other.at);
  return {
    title: `${title} of ${DIMENSION} numbers, message by message`,
    method: `Milliseconds since the call; the call of median length of ${TRACED}, ${WARM_UPS} others before. Measured at the sockets of the program.`,
    measures: [],
    targets: [],
    table: { columns: ["sent", "store", "message", "bytes", "answered", "took"], rows: rows.map(({ cells }) => cells) },
  };
}
