import { pause, pollUntil } from "../../../src/dev/wait.ts";
import { DeadlineExceededError } from "../../../src/domain/errors.ts";
import type { MnemosyncError } from "../../../src/index.ts";
import type { ReplicaReport } from "../../../src/replica/report.ts";
import type { Verification } from "../../../src/replica/verifier.ts";
import { coldBackup } from "../../support/postgres-past.ts";
import { span } from "./faults.ts";
import type { Fault } from "./run.ts";
import type { Twins } from "./twins.ts";

/** Milliseconds that an operator repeats a call for. */
const OPERATE_MS = 60_000;
/** Milliseconds within which a hot memory is written, and refused. */
const LETTER_MS = 15_000;
/** Milliseconds that replication has to catch up before a verification. */
const CATCH_UP_MS = 90_000;

/** One memory is refused for some time, and what it missed is sent again. A copy may be made meanwhile, to be put back later. */
const memoryRefused: Fault = {
  name: "memory refused",
  run: async (run) => {
    const { twins, random, writers, events } = run;
    const memoryId = writers.hotId();
    await twins.inside("replica", async (sql) => {
      await sql.unsafe(`
        alter table mnemosync.memory_bodies add constraint chaos_refuses check (memory_id <> '${memoryId}') not valid`);
    });
    // A replica that lags meets the constraint some time later.
    let letters: readonly { memoryId: string }[] = [];
    await untilLate(
      pollUntil("a letter", LETTER_MS, async () => {
        letters = await operate(() => twins.sync.replica.deadLetters());
        return letters.length > 0;
      }),
    );
    await pause(span(random));
    if (random.below(3) === 0) await coldBackup(twins.replica);
    events.add(
      letters.some((letter) => letter.memoryId === memoryId) ? "memory refused" : "memory not written while refused",
    );
    await acceptAll(twins);
    await operate(() => twins.sync.replica.retry());
  },
};

/** No constraint refuses a memory any more. A copy that was put back may have one. */
export async function acceptAll(twins: Twins): Promise<void> {
  await twins.inside("replica", async (sql) => {
    await sql`alter table mnemosync.memory_bodies drop constraint if exists chaos_refuses`;
  });
}

const paused: Fault = {
  name: "paused",
  run: async ({ twins, random }) => {
    await operate(() => twins.sync.replica.pause());
    await pause(span(random));
    await operate(() => twins.sync.replica.resume());
  },
};

const backfilled: Fault = {
  name: "backfilled",
  run: async ({ twins, passed }) => {
    await passed.look(); // What is lost comes back with it.
    await operate(() => twins.sync.replica.backfill());
  },
};

/** As if retention went on: what ended some time ago is forgotten, once each reader was told of it. */
const tombstonesPruned: Fault = {
  name: "tombstones pruned",
  run: async ({ twins, events }) => {
    const before = await prunedThrough(twins);
    await twins.inside("primary", async (sql) => {
      // Floors are raised ten minutes before tombstones go: no statement of ours takes longer than some seconds.
      await sql`
        update mnemosync.version_floors set raised_at = raised_at - interval '11 minutes'
        where raised_at < clock_timestamp() - interval '15 seconds'`;
    });
    await pause(1_500);
    if ((await prunedThrough(twins)) !== before) events.add("tombstones were pruned");
  },
};

async function prunedThrough(twins: Twins): Promise<string> {
  return await twins.inside("primary", async (sql) => {
    const [row] = await sql<
      { place: string }[]
    >`select xid::text || ' ' || seq::text as place from mnemosync.tombstones_pruned`;
    return row?.place ?? "";
  });
}

/** Under writes: a replica that follows has no finding. */
const verified: Fault = {
  name: "verified",
  run: async (run) => {
    const { twins, random, events, complain } = run;
    const before = await caughtUp(twins);
    await run.passed.look(); // A repair may bring back what is lost.
    const options = { repair: random.below(2) === 0, timeoutMs: 60_000 };
    const found = await attempt<Verification>(() => twins.sync.replica.verify(options));
    const after = await operate(() => twins.sync.replica.status());
    if (found === null || before === null || after.phase !== "following" || after.epoch !== before.epoch) return;
    events.add("verified");
    if (found.clean || after.deadLetters?.waiting !== 0 || after.deadLetters.dead !== 0) return;
    complain(`verify: ${JSON.stringify(found.findings.slice(0, 5))}`);
  },
};

/** Null: it did not in time, and the end of the run will tell. */
async function caughtUp(twins: Twins): Promise<ReplicaReport | null> {
  let report: ReplicaReport | null = null;
  await untilLate(
    pollUntil("the replica to follow", CATCH_UP_MS, async () => {
      report = await attempt(() => twins.sync.replica.status());
      return report?.phase === "following" && (report.lag?.seconds ?? 100) < 5 && report.deadLetters?.waiting === 0;
    }),
  );
  return report;
}

/** Waits; what is late is told, and anything else goes on. */
export async function untilLate(
  waited: Promise<void>,
  onLate: (error: DeadlineExceededError) => void = () => undefined,
): Promise<void> {
  try {
    await waited;
  } catch (error) {
    if (!(error instanceof DeadlineExceededError)) throw error;
    onLate(error);
  }
}

/** Calls until it is answered: either side may still be coming back. */
export async function operate<T>(call: () => Promise<T>): Promise<T> {
  let answer: { readonly value: T } | null = null;
  await pollUntil("an answer to an operator", OPERATE_MS, async () => {
    try {
      answer = { value: await call() };
      return true;
    } catch (error) {
      if (!(error as MnemosyncError).retryable) throw error;
      await pause(200);
      return false;
    }
  });
  return (answer as unknown as { value: T }).value;
}

async function attempt<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if ((error as MnemosyncError).retryable) return null;
    throw error;
  }
}

export const OPERATOR_FAULTS: readonly Fault[] = [
  memoryRefused,
  memoryRefused,
  memoryRefused,
  paused,
  backfilled,
  tombstonesPruned,
  tombstonesPruned,
  verified,
];
