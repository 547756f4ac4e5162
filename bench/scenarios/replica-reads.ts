import { TcpProxy } from "../../test/support/tcp-proxy.ts";
import { alternateCalls, type Caller } from "../harness/calls.ts";
import { planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult, Target } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, verifyOutcomes } from "../support/our-stores.ts";
import { MemorySynchronizer, type Synchronizer } from "../support/product.ts";
import { verify } from "../support/report.ts";

const DIMENSION = 384;
const LIMIT = 100;
const K = 10;
/** Milliseconds of a round trip to the slow replica. */
const SLOW_MS = 200;
const READS = ["get", "list", "search"] as const;
const ALONE = "the primary alone";
const AWAY = "merged, the replica away";
const OVERDUE = "merged, the replica slower than its time-out";

/** Question: what does a merged read cost beside the primary's own, with the replica fast, slow, and away? */
export const mergedReads: Scenario = {
  name: "replica-reads",
  run: async (context) => [await measure(context)],
};

async function measure(context: BenchContext): Promise<ScenarioResult> {
  const [stored, count] = context.quick ? [1_000, 200] : [5_000, 1_000];
  const replicaUrl = await context.newDatabase();
  const proxies: TcpProxy[] = [];
  const opened: Synchronizer[] = [];
  const port = Number(new URL(replicaUrl).port);
  const replica = { enabled: true, postgresUrl: replicaUrl };
  const ours = await OurStores.open(context, { dimension: DIMENSION, replica });
  const through = async (adjust: (proxy: TcpProxy) => unknown): Promise<Synchronizer> => {
    const proxy = await TcpProxy.start(port);
    proxies.push(proxy);
    const sync = await another(context, ours, { ...replica, postgresUrl: proxy.through(replicaUrl) });
    opened.push(sync);
    await adjust(proxy);
    return sync;
  };
  try {
    verifyOutcomes(await ours.sync.syncBatch(benchMemories(0, stored, 0, DIMENSION)), stored, "synced");
    await replicated(ours, replicaUrl, stored);
    const alone = await another(context, ours, undefined);
    opened.push(alone);
    const contenders = [
      contender(ALONE, "floor", alone, stored, count),
      contender("merged, the replica beside it", "ours", await through(() => undefined), stored, count),
      contender(
        `merged, the replica ${SLOW_MS} ms away`,
        "ours",
        await through((proxy) => proxy.slow(SLOW_MS / 2)),
        stored,
        20,
      ),
      contender(OVERDUE, "ours", await through((proxy) => proxy.slow(2_000)), stored, count),
      contender(AWAY, "ours", await through((proxy) => proxy.refuse()), stored, count),
    ];
    const measures = await alternateCalls(contenders, READS, {
      ...planRounds(context, 5, 3),
      before: ours.settle,
      onRound: (round) => context.log(`round ${round}`),
    });
    const targets = [AWAY, OVERDUE].flatMap((name) =>
      READS.map((read): Target => {
        const figure = `${read}, p50`;
        const of = [
          { contender: name, figure },
          { contender: ALONE, figure },
        ] as const;
        return ratioTarget(
          `p50 of ${read}, ${name.replace("merged, ", "")}, beside the primary alone`,
          measures,
          of,
          "at most",
          1.2,
        );
      }),
    );
    return {
      title: `Merged reads of ${stored.toLocaleString("en-US")} memories with ${DIMENSION} numbers, one after the other`,
      method:
        `\`get\` of memories that are there, \`list\` of ${LIMIT} without a filter, \`search\` for ${K} by vector, over five synchronizers on the same ` +
        "stores, which make one call each in turn: turns of all calls would meet a machine of another speed each. The replica holds all memories; a proxy makes it slow, slower than `replica.readTimeoutMs`, or refuses its connections.",
      measures,
      targets,
    };
  } finally {
    await Promise.all(opened.map((sync) => sync.close()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await ours.close();
  }
}

/** Another synchronizer on the same stores, with an index folder of its own. It starts no background work. */
async function another(context: BenchContext, ours: OurStores, replica: object | undefined): Promise<Synchronizer> {
  const directory = await context.newDirectory();
  const options = { ...ours.options, faiss: { directory, dimension: DIMENSION } };
  return await MemorySynchronizer.connect({ ...options, replica: replica ?? { enabled: false } });
}

/** Waits until the replica holds all memories. */
async function replicated(ours: OurStores, replicaUrl: string, stored: number): Promise<void> {
  const { default: postgres } = await import("postgres");
  const sql = postgres(replicaUrl, { max: 1, onnotice: () => undefined });
  ours.sync.start();
  try {
    for (let tries = 0; ; tries++) {
      const [row] = await sql`select count(*)::int as memories from mnemosync.memory_versions`.catch(() => []);
      if (row?.memories === stored) return;
      verify(tries < 600, `the replica holds ${row?.memories ?? 0} memories of ${stored} after a minute`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await sql.end();
  }
}

function contender(name: string, role: Caller["role"], sync: Synchronizer, stored: number, count: number): Caller {
  const [first] = benchMemories(0, 1, 0, DIMENSION);
  const query = first?.embedding ?? [];
  const work: Readonly<Record<string, (at: number) => Promise<void>>> = {
    get: async (at) => {
      const memory = await sync.get(`memory-${(at * 7_919) % stored}`);
      verify(memory !== null, `${name}: a memory is missing`);
    },
    list: async () => {
      const { memories } = await sync.list({ limit: LIMIT });
      verify(memories.length === LIMIT, `${name}: a page has ${memories.length} memories`);
    },
    search: async () => {
      const results = await sync.search(query, { k: K });
      verify(results.length === K, `${name}: a search has ${results.length} results`);
    },
  };
  return { name, role, count, call: async (kind, at) => await work[kind]?.(at) };
}
