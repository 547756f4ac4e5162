import { Budget } from "../harness/budget.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Measure, ScenarioResult, Target } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { verify } from "../support/report.ts";
import { documentBytes } from "./documents.ts";
import type { HubService } from "./hub-service.ts";
import type { EdgeOperations, Replicated } from "./operations.ts";
import { type openPeers, type PeerPair, Replicator } from "./replicators.ts";

const OURS = "mnemosync/edge";
const MAIN_PEER = "PouchDB";
const UNIT = "memories/s" as const;
/** Changes of one push: the setting's default, and as many as the hub takes. */
const BATCHES = [50, 500] as const;
const RATIO_MIN = 1;
type Peers = Awaited<ReturnType<typeof openPeers>>;

/** Push and pull of documents, beside databases that replicate. */
export async function replication(context: BenchContext, hub: HubService, peers: Peers): Promise<ScenarioResult[]> {
  const count = context.quick ? 1_000 : 5_000;
  const directory = await context.newDirectory();
  const edge = Replicator.ours();
  try {
    const ours = BATCHES.map((size) => new OurSide(edge, { hub, directory, count, size }));
    const theirs = peers.pairs.map((pair) => new PeerSide(pair, { directory, count }));
    const pushes = [...ours, ...theirs].map((side) => side.pushing());
    // Pulling takes a third of the time of pushing.
    const push = await alternate(pushes, planRounds(within(context, 3 / 4), 3, 1));
    // What was pushed last is what is pulled, into an empty database each time.
    const pulls = [ours[0] as OurSide, ...theirs].map((side) => side.pulling());
    const pull = await alternate(pulls, planRounds(context, 5, 1));
    const about = `${count.toLocaleString("en-US")} documents of ${documentBytes()} bytes`;
    const versions = peers.pairs.map(({ versions: text }) => text).join("; ");
    const missing = [...peers.out].map(([name, reason]) => `${name} is out: ${reason}.`).join(" ");
    const how = [
      `Each client in a process of its own, its hub in another, HTTP between them.`,
      versions && `${versions}.`,
      missing,
    ]
      .filter((part) => part !== "")
      .join(" ");
    return [
      {
        title: `The edge: push of ${about}`,
        method: `Written before the clock runs; until the hub has all of them durably, in three stores, and the edge knows it. ${how}`,
        measures: push,
        targets: targets(push, nameOf(BATCHES[0])),
      },
      {
        title: `The edge: pull of ${about}`,
        method: `Into an empty database, until all of them are durable there. ${how}`,
        measures: pull,
        targets: targets(pull, OURS),
      },
    ];
  } finally {
    await edge.close();
  }
}

function within(context: BenchContext, part: number): BenchContext {
  return { ...context, budget: new Budget(context.budget.remainingMs * part) };
}

function nameOf(size: number): string {
  return `${OURS}, batches of ${size}`;
}

function targets(measures: readonly Measure[], ours: string): Target[] {
  if (!measures.some(({ contender }) => contender === MAIN_PEER)) return [];
  return [
    ratioTarget(
      `beside ${MAIN_PEER}`,
      measures,
      [{ contender: ours }, { contender: MAIN_PEER }],
      "at least",
      RATIO_MIN,
    ),
  ];
}

const perSecond = (count: number, { ms, arrived }: Replicated): number => {
  verify(arrived === count, `${arrived} of ${count} documents arrived`);
  return (count / ms) * 1_000;
};

class OurSide {
  readonly #edge: Replicator<EdgeOperations>;
  readonly #at: { readonly hub: HubService; readonly directory: string; readonly count: number; readonly size: number };
  #namespace = "";

  constructor(
    edge: Replicator<EdgeOperations>,
    at: { hub: HubService; directory: string; count: number; size: number },
  ) {
    this.#edge = edge;
    this.#at = at;
  }

  pushing(): Contender {
    const { size, hub, count } = this.#at;
    const durable = "PostgreSQL, Redis and FAISS at the hub, SQLite (FULL) here";
    return {
      ...{ name: nameOf(size), role: "ours", figures: [{ unit: UNIT }], durable },
      run: async (turn) => {
        this.#namespace = `push-${size}-${turn}`;
        await this.#open();
        await this.#edge.ask("fill", { count });
        const pushed = await this.#edge.ask("push", null);
        verify((await hub.count(this.#namespace)) === count, "the hub counts another number of memories");
        return [perSecond(count, pushed)];
      },
    };
  }

  pulling(): Contender {
    return {
      ...{ name: OURS, role: "ours", figures: [{ unit: UNIT }], durable: "SQLite (FULL)" },
      run: async () => {
        await this.#open();
        return [perSecond(this.#at.count, await this.#edge.ask("pull", null))];
      },
    };
  }

  async #open(): Promise<void> {
    const { hub, directory, size } = this.#at;
    const about = { name: this.#namespace, directory, hub: hub.url, apiKey: hub.apiKey };
    await this.#edge.ask("open", { ...about, settings: { pushBatchSize: size } });
  }
}

class PeerSide {
  readonly #pair: PeerPair;
  readonly #directory: string;
  readonly #count: number;
  #database = "";

  constructor(pair: PeerPair, { directory, count }: { readonly directory: string; readonly count: number }) {
    this.#pair = pair;
    this.#directory = directory;
    this.#count = count;
  }

  pushing(): Contender {
    const { name, durable } = this.#pair;
    return {
      ...{ name, role: "peer", figures: [{ unit: UNIT }], durable },
      run: async (turn) => {
        this.#database = `push-${turn}`;
        return [perSecond(this.#count, await this.#pair.push(this.#database, this.#directory, this.#count))];
      },
    };
  }

  pulling(): Contender {
    const { name, durable } = this.#pair;
    return {
      ...{ name, role: "peer", figures: [{ unit: UNIT }], durable },
      run: async () => [perSecond(this.#count, await this.#pair.pull(this.#database, this.#directory))],
    };
  }
}
