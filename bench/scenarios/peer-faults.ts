import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { CONTENDERS, type ContenderName, FAULTS, type Fault, type Observation } from "../peers/contender.ts";
import { LineUp, MAIN_PEER, OURS } from "../peers/line-up.ts";
import { accountText, countsText, messageOf } from "../peers/observe.ts";
import type { Stand } from "../peers/stand.ts";
import { PeerFailure } from "../support/peer-process.ts";

const DIMENSION = 384;
/** Memories that a fault is done to. */
const COUNT = 120;
const BATCH_SIZE = 100;
const SEARCHES = 20;
/** Those that tell most; a quick run has no time for more. */
const QUICK_FAULTS: readonly Fault[] = [
  "vectors lost, same memories synced again",
  "nested metadata changed, text the same",
];
const KILLED = "killed (SIGKILL) after it answered";

interface Row extends Observation {
  readonly fault: string;
  readonly name: ContenderName;
}

/** What a contender has written is there in its next process, or is not. */
async function killed(stand: Stand, lineUp: LineUp): Promise<Observation> {
  const { account } = await stand.ask("add", { from: 0, to: COUNT, revision: 0, batchSize: BATCH_SIZE });
  const next = await stand.killAndReopen();
  lineUp.replace(next);
  const { history: _, ...counts } = await next.ask("counts", null);
  const numbers = Array.from({ length: SEARCHES }, (_, at) => at);
  const searched = await next.ask("search", { numbers, revision: 0, count: 1 }).catch((error: unknown) => {
    if (error instanceof PeerFailure) return `a search throws "${messageOf(error.reason)}"`;
    throw error;
  });
  const found = typeof searched === "string" ? searched : searched && `${searched.right} of ${SEARCHES} searches find`;
  const isFound = searched === null || (typeof searched === "object" && searched.right === SEARCHES);
  return {
    how: "before anything was saved or closed",
    says: accountText(account),
    is: `${countsText(counts)}${found === null ? "" : `; ${found}`}`,
    holds: isFound && Object.values(counts).every((count) => count === COUNT),
  };
}

async function observe(context: BenchContext, lineUp: LineUp): Promise<Row[]> {
  const rows: Row[] = [];
  for (const fault of context.quick ? QUICK_FAULTS : FAULTS) {
    context.log(`peer faults: ${fault}`);
    for (const name of lineUp.names) {
      const observations = await lineUp.attempt(name, async (stand) => {
        await stand.move(context);
        return await stand.ask("fault", { fault, count: COUNT });
      });
      rows.push(...(observations ?? []).map((observation) => ({ ...observation, fault, name })));
    }
  }
  context.log(`peer faults: ${KILLED}`);
  for (const name of lineUp.names) {
    const observation = await lineUp.attempt(name, async (stand) => {
      await stand.move(context);
      return await killed(stand, lineUp);
    });
    if (observation !== null) rows.push({ ...observation, fault: KILLED, name });
  }
  return rows;
}

function resultOf(rows: readonly Row[]): ScenarioResult {
  const ours = rows.filter(({ name }) => name === OURS);
  const held = ours.filter(({ holds }) => holds).length;
  return {
    title: "What they say and what is true, under faults",
    method:
      `Each fault is done to ${COUNT} memories in stores that nobody else uses, and looked at afterwards by counts and ` +
      "searches. It holds when what was said is true and in the end nothing is lost, doubled or stale.",
    measures: [],
    targets: [
      { what: "faults of this table that ours gets right", ratio: held / ours.length, bound: 1, kind: "at least" },
    ],
    table: {
      columns: ["fault", "done how", "contender", "says", "is", "holds"],
      rows: rows.map(({ fault, how, name, says, is, holds }) => [fault, how, name, says, is, holds ? "yes" : "NO"]),
    },
  };
}

/** The faults that ours is built to survive, done to it and to what a user would pick instead. */
export const peerFaults: Scenario = {
  name: "peer-faults",
  run: async (context) => {
    const lineUp = await LineUp.open(context, context.quick ? [OURS, MAIN_PEER] : CONTENDERS, DIMENSION);
    try {
      const rows = await observe(context, lineUp);
      const about = { title: "Peer faults: who took part", method: "Pinned in bench/peers/package.json." };
      return [resultOf(rows), { ...about, measures: [], targets: [], table: lineUp.table() }];
    } finally {
      await lineUp.close();
    }
  },
};
