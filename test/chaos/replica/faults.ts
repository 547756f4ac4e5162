import { pause, pollUntil } from "../../../src/dev/wait.ts";
import type { Random } from "../../support/random.ts";
import type { TcpProxy } from "../../support/tcp-proxy.ts";
import type { Fault, Run } from "./run.ts";
import type { TwinNode } from "./twin-node.ts";
import { tryInside, type Ways } from "./twins.ts";

/** Milliseconds that something stays away: around the deadlines of nodes and readers, above and below. */
export function span(random: Random): number {
  return 200 + random.below(3_000);
}

/** Milliseconds that a leader stays frozen so that its lease runs out. */
const LEASE_OVER_MS = 33_000;

const SIDES = ["primary", "replica"] as const;

const clusterFaults: readonly Fault[] = SIDES.flatMap((side): Fault[] => [
  {
    name: `${side} killed`,
    run: async ({ twins, random }) => {
      await twins[side].kill();
      await pause(span(random));
      await twins[side].start();
    },
  },
  {
    name: `${side} frozen`,
    run: async ({ twins, random }) => {
      await twins[side].freeze();
      await pause(span(random));
      await twins[side].thaw();
    },
  },
]);

const WAYS = [
  "nodesToReplica",
  "nodesToPrimary",
  "readersToReplica",
  "readersToPrimary",
] as const satisfies (keyof Ways)[];

function onWay(name: string, fault: (way: TcpProxy, random: Random) => Promise<void>): Fault {
  return {
    name,
    run: async ({ twins, random }) => {
      // Most faults stand where the batches go.
      const way = twins.ways[random.below(2) === 0 ? "nodesToReplica" : random.pick(WAYS)];
      await fault(way, random);
      way.reset();
      await way.pass();
    },
  };
}

const wayFaults: readonly Fault[] = [
  onWay("links reset", async (way) => way.reset()),
  onWay("links silent", async (way, random) => {
    way.blackHole();
    await pause(span(random));
  }),
  onWay("links slow", async (way, random) => {
    way.slow(20 + random.below(150));
    await pause(span(random));
  }),
  onWay("answers lost", async (way, random) => {
    way.dropReplies();
    await pause(100 + random.below(800));
  }),
  onWay("refused", async (way, random) => {
    await way.refuse();
    await pause(span(random));
  }),
  {
    name: "cut in the middle of a batch",
    run: async ({ twins, random }) => {
      const way = twins.ways.nodesToReplica;
      // The bytes of one connection: somewhere in a statement, in its parameters, or in its answer.
      for (let cuts = 0; cuts < 4; cuts++) {
        const before = way.bytes;
        const direction = random.below(3) === 0 ? "toClient" : "toServer";
        way.cutAfter(direction, direction === "toServer" ? random.below(8_000) : random.below(400));
        await pause(150 + random.below(400));
        if (way.bytes[direction] === before[direction]) continue;
      }
      await way.pass();
    },
  },
];

const nodeFaults: readonly Fault[] = [
  {
    name: "node killed",
    run: async ({ twins, random }) => await killed(random.pick(twins.nodes), random),
  },
  {
    name: "leader killed",
    run: async ({ twins, random }) => await killed(leaderOf(twins.nodes, random), random),
  },
  {
    name: "leader frozen",
    run: async ({ twins, random }) => {
      const node = leaderOf(twins.nodes, random);
      node.freeze();
      await pause(span(random));
      node.thaw();
    },
  },
];

/** Another node takes the lease meanwhile, and what the frozen one was about to write must be refused. */
const fencedLeader: Fault = {
  name: "leader frozen past its lease",
  run: async ({ twins, random }) => {
    const node = leaderOf(twins.nodes, random);
    node.freeze();
    await pause(LEASE_OVER_MS);
    node.thaw();
  },
};

/** Statements fail, and where the write-ahead log finds no room, the replica ends itself in the midst of commits. */
const replicaFull: Fault = {
  name: "replica full",
  run: async (run) => {
    const { twins, random, events } = run;
    twins.disk?.fill();
    // Room that is left in the log's files is used up, so that batches meet the end of it.
    const hasRoom = await tryInside(twins.replica.url, async (sql) => {
      for (let mib = 0; mib < 96; mib++) await sql`select pg_logical_emit_message(false, 'full', repeat('x', 1048576))`;
      return true;
    }).catch((error: { code?: string }) => {
      if (error.code !== NO_ROOM) throw error;
      return null;
    });
    if (hasRoom === null) events.add("replica had no room");
    await pause(span(random));
    twins.disk?.makeRoom();
    await pollUntil("the replica after its disk was full", 60_000, async () => {
      await twins.replica.start(); // It may have ended itself for good.
      return await twins.inside("replica", async (sql) => (await sql`select 1`).length === 1);
    });
  },
};

/** SQLSTATE of a full disk. */
const NO_ROOM = "53100";

async function killed(node: TwinNode, random: Random): Promise<void> {
  await node.kill();
  await pause(span(random));
  node.start();
  await node.ready();
}

function leaderOf(nodes: readonly TwinNode[], random: Random): TwinNode {
  return nodes.find((node) => node.isLeader) ?? random.pick(nodes);
}

/** What dies, freezes and is cut off. @param isLong whether the run has time for a lease to run out. */
export function plainFaults({ twins }: Pick<Run, "twins">, isLong: boolean): Fault[] {
  return [
    ...clusterFaults,
    ...wayFaults,
    ...nodeFaults,
    ...(isLong ? [fencedLeader] : []),
    ...(twins.disk === null ? [] : [replicaFull, replicaFull]),
  ];
}
