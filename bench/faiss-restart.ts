/**
 * How long does a restart take until searches are served again, against FAISS's own read of the same vectors?
 *
 *     npx tsx bench/faiss-restart.ts [--count 100000] [--dimension 384] [--replayed 2000] [--rounds 3] [--dist]
 *
 * `--dist` takes the built program (`npm run build`), whose host process does not have to be compiled first.
 * FAISS reads one flat file with the same vectors in this very process. The restart is all of `open`: lock, process,
 * binding, every file's SHA-256, indexes, slot tables, replay. What a start takes with nothing to load is shown beside it,
 * and so is the replay, by its own start without it. Afterwards every vector is compared with what was written, bit by bit.
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ChangeSource, FeedCursor } from "../src/domain/change-source.ts";
import { keyText, type MemoryKey } from "../src/domain/keys.ts";
import type { PutChange } from "../src/domain/memory.ts";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import type { Faiss } from "../src/stores/faiss/host/faiss.ts";
import { createFlatBlock } from "../src/stores/faiss/protocol/flat-block.ts";
import { projectInto } from "../src/stores/faiss/protocol/metric.ts";
import type { LiveEntry } from "../src/stores/projection.ts";
import { milliseconds, verify, withFolder } from "./support/report.ts";
import { median } from "./support/statistics.ts";
import { EMPTY_LEDGER, put, randomNumbers, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    dimension: { type: "string", default: "384" },
    replayed: { type: "string", default: "2000" },
    rounds: { type: "string", default: "3" },
    dist: { type: "boolean", default: false },
  },
});
const [count, dimension, replayed] = [Number(values.count), Number(values.dimension), Number(values.replayed)];
const Projection = values.dist ? await built() : FaissProjection;
const soon = (): AbortSignal => AbortSignal.timeout(300_000);
const metric = "cosine";

async function built(): Promise<typeof FaissProjection> {
  const path = new URL("../dist/stores/faiss/client/faiss-projection.js", import.meta.url);
  return ((await import(path.href)) as { FaissProjection: typeof FaissProjection }).FaissProjection;
}

/** A feed of these changes, in pages. */
function feedOf(changes: readonly PutChange[]): ChangeSource {
  const byKey = new Map(changes.map((change) => [keyText(change), change]));
  return {
    ...EMPTY_LEDGER,
    changesAfter: async (cursor: FeedCursor, limit: number) => {
      const start = Number(cursor.seq);
      const page = changes.slice(start, start + limit);
      const headers = page.map(({ namespace, memoryId, version }) => ({
        namespace,
        memoryId,
        version,
        deleted: false,
      }));
      return { headers, cursor: { xid: "1", seq: String(start + page.length) } };
    },
    currentChanges: async (keys: readonly MemoryKey[]) => keys.map((key) => byKey.get(keyText(key)) ?? null),
  };
}

async function timedOpen(directory: string, source: ChangeSource): Promise<{ index: FaissProjection; ms: number }> {
  const started = performance.now();
  const index = await Projection.open({ directory, dimension, metric }, { source }, soon());
  return { index, ms: performance.now() - started };
}

await withFolder(async (folder) => {
  const faiss = createRequire(import.meta.url)("faiss-node") as Faiss;
  const next = uniformVectors(randomNumbers(1), dimension);
  const changes = Array.from({ length: count }, (_, at) => put(`memory-${at}`, 1, next()));
  const block = createFlatBlock({ dimension, metric }, count);
  for (const [row, { embedding }] of changes.entries()) {
    projectInto({ dimension, metric }, embedding as Float32Array, block.vectors, row * dimension);
  }
  const plain = join(folder, "plain");
  writeFileSync(plain, block.bytes);

  const directory = join(folder, "index");
  const { index: first } = await timedOpen(directory, EMPTY_LEDGER);
  for (let start = 0; start < count; start += 2_000) await first.publish(changes.slice(start, start + 2_000), soon());
  await first.close({ snapshot: true });
  const late = Array.from({ length: replayed }, (_, at) => put(`memory-${at}`, 2, next()));

  const [reads, empties, restarts, replays]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let round = 0; round <= Number(values.rounds); round++) {
    const started = performance.now();
    const read = faiss.IndexFlatIP.read(plain);
    const readMs = performance.now() - started;
    verify(read.ntotal() === count, `${read.ntotal()} vectors were read`);

    const empty = await timedOpen(join(folder, `empty-${round}`), EMPTY_LEDGER);
    await empty.index.close();
    const restart = await timedOpen(directory, EMPTY_LEDGER);
    verify((await restart.index.count(soon())) === count, "the count after the restart");
    await restart.index.close();
    const replay = await timedOpen(directory, feedOf(late));
    const expected = [...changes.slice(replayed), ...late];
    const [best] = await replay.index.search("default", late[0]?.embedding as Float32Array, 1, soon());
    verify(best?.memoryId === "memory-0" && best.version === 2, "the first search after the replay");
    if (round === 0) await verifyDeep(replay.index, expected);
    await replay.index.close();
    if (round === 0) continue; // Warm-up.
    reads.push(readMs);
    empties.push(empty.ms);
    restarts.push(restart.ms);
    replays.push(replay.ms);
  }
  const [read, empty, restart, replay] = [median(reads), median(empties), median(restarts), median(replays)];
  console.log(
    `${count} vectors of ${dimension}-d, median of ${values.rounds} rounds; every vector was compared after a restart`,
  );
  console.log(`  FAISS's own read of the flat file   ${milliseconds(read)}`);
  console.log(
    `  restart, ready to search            ${milliseconds(restart)}: ${(restart / read).toFixed(1)} times the read`,
  );
  console.log(`  of it a start with nothing to load  ${milliseconds(empty)}`);
  console.log(`  the loading alone                   ${((restart - empty) / read).toFixed(1)} times the read`);
  console.log(`  with ${replayed} changes to replay       ${milliseconds(replay - restart)} more`);
});

async function verifyDeep(index: FaissProjection, expected: readonly PutChange[]): Promise<void> {
  verify((await index.count(soon())) === expected.length, "the count after the replay");
  for (let start = 0; start < expected.length; start += 2_000) {
    const part = expected.slice(start, start + 2_000);
    const entries = await index.read(part, { data: true }, soon());
    for (const [at, change] of part.entries()) {
      const entry = entries[at] as LiveEntry;
      verify(entry?.state === "live" && entry.version === change.version, `${change.memoryId} is not there`);
      verify(index.flaw(entry, change) === null, `${change.memoryId} differs`);
    }
  }
}
