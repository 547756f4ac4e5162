import postgres from "postgres";
import { expect, type TestContext, test, vi } from "vitest";
import * as z from "zod";
import { pollUntil } from "../../src/dev/wait.ts";
import { StoreUnavailableError } from "../../src/domain/errors.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import type { Job } from "../../src/jobs/job.ts";
import { type JobContext, type JobKind, JobKinds } from "../../src/jobs/job-kind.ts";
import { JobRunner, type JobRunnerOptions } from "../../src/jobs/job-runner.ts";
import { JobStore, OPEN_MAX } from "../../src/jobs/job-store.ts";
import { Jobs } from "../../src/jobs/jobs.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";

/**
 * Goal: a job is one job, whatever becomes of its node, and every node tells of it. Method: several nodes, each with a pool
 * and a runner of its own, on one database; its clock is moved by moving what stands in the tables.
 */

const signal = AbortSignal.timeout(120_000);

type Input = { readonly label: string };

/** A kind whose runs end when the test says so. */
class Controlled {
  readonly runs: {
    context: JobContext<Input>;
    node: string;
    end: (result: number) => void;
    fail: (e: Error) => void;
  }[] = [];
  #waiting: (() => void)[] = [];

  kind(node: string, whenLost: "resume" | "interrupt", extra: Partial<JobKind<Input, number>> = {}) {
    return {
      kind: "controlled",
      inputSchema: z.strictObject({ label: z.string().default("x") }),
      resultSchema: z.number(),
      checkpointSchema: z.object({ at: z.number() }),
      whenLost,
      run: (context: JobContext<Input>) =>
        new Promise<number>((end, fail) => {
          this.runs.push({ context, node, end, fail });
          context.signal.addEventListener("abort", () => fail(context.signal.reason as Error));
          for (const wake of this.#waiting.splice(0)) wake();
        }),
      ...extra,
    } satisfies JobKind<Input, number>;
  }

  /** Resolves once `count` runs have begun. */
  async begun(count: number): Promise<void> {
    while (this.runs.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

interface Node {
  readonly jobs: Jobs;
  readonly runner: JobRunner;
  readonly store: JobStore;
  /** As a killed process: its jobs go silent, and nothing of it is told to the ledger. */
  kill(): Promise<void>;
}

interface Cluster {
  readonly sql: postgres.Sql;
  node(
    name: string,
    kinds: readonly JobKind<Input, number>[],
    options?: Partial<Omit<JobRunnerOptions, "store" | "kinds">>,
  ): Node;
}

async function openCluster(t: TestContext): Promise<Cluster> {
  const database = await createTestDatabase(postgresUrl());
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const closers: (() => Promise<unknown>)[] = [];
  t.onTestFinished(async () => {
    await Promise.all(closers.map((close) => close()));
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  return {
    sql,
    node(name, own, options = {}) {
      const pool = new PostgresPool(database.url, { max: 4 });
      const store = new JobStore(pool, { nodeId: name, callTimeoutMs: 20_000 });
      const kinds = new JobKinds();
      for (const kind of own) kinds.register(kind);
      const runner = new JobRunner({ store, kinds, stores: [], log: silentLog, heartbeatMs: 20, ...options });
      closers.push(async () => {
        await runner.stop();
        await pool.close();
      });
      const kill = async (): Promise<void> => {
        // Without a connection it renews nothing, and tells nothing.
        Object.assign(store, { renew: lost, end: lost, release: lost, saveCheckpoint: lost });
      };
      return { jobs: new Jobs({ store, kinds, runner }), runner, store, kill };
    },
  };
}

/** The ledger does what it is asked next, and its answer does not arrive. */
function loseAnswer(store: JobStore, call: "claim" | "insert"): void {
  const ask = store[call].bind(store) as (...parts: unknown[]) => Promise<unknown>;
  vi.spyOn(store, call).mockImplementationOnce(async (...parts: unknown[]) => {
    await ask(...parts);
    throw new StoreUnavailableError("postgres", "the answer was lost");
  });
}

async function lost(): Promise<never> {
  throw new Error("this node has no network");
}

async function started(jobs: Jobs, input: Input = { label: "x" }): Promise<Job> {
  const outcome = await jobs.start("controlled", input, { signal });
  if (outcome.outcome !== "started") throw new Error(`the job was not started: ${outcome.outcome}`);
  return outcome.job;
}

/** The job, once it has ended. */
async function ended(jobs: Jobs, id: string): Promise<Job> {
  let last: Job | null = null;
  for await (const job of jobs.changes(id, { signal })) last = job;
  if (last === null) throw new Error("no change was told");
  return last;
}

const expireLease = (sql: postgres.Sql, id: string) =>
  sql`update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where id = ${id}`;

test("a job is seen from another node while it runs, with its figures, and after its node has ended", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "interrupt")]);
  const second = cluster.node("second", [work.kind("second", "interrupt")]);
  const { id } = await started(first.jobs);
  await work.begun(1);
  work.runs[0]?.context.progress({ done: 3 });
  const seen: Job[] = [];
  const watching = (async () => {
    for await (const job of second.jobs.changes(id, { signal })) {
      seen.push(job);
      if (job.progress.done === 3 && job.state === "running") work.runs[0]?.end(42);
    }
  })();
  await watching;
  expect(seen.at(-1)).toMatchObject({ id, state: "done", result: 42, nodeId: "first", progress: { done: 3 } });
  expect(seen.some(({ state, progress }) => state === "running" && progress.done === 3)).toBe(true);
  await first.runner.stop();
  expect(await second.jobs.list({ signal })).toMatchObject([{ id, state: "done", result: null }]);
  expect(second.jobs.resultOf(await second.jobs.get(id, { signal }))).toBe(42);
});

test("a cancel on one node ends the job on the other, and a queued job at once", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "interrupt")]);
  const second = cluster.node("second", [work.kind("second", "interrupt")]);
  const { id } = await started(first.jobs);
  await work.begun(1);
  expect(await second.jobs.cancel(id, { signal })).toMatchObject({ state: "cancelled", error: null });
  expect(work.runs[0]?.context.signal.aborted).toBe(true);
  const queued = await second.jobs.enqueue("controlled", {}, { signal });
  if (queued.outcome !== "started") throw new Error(queued.outcome);
  expect(await first.jobs.cancel(queued.job.id, { signal })).toMatchObject({ state: "cancelled", startedAt: null });
  expect(await first.runner.runOnce(signal)).toBe(0);
  expect(await first.jobs.cancel(id, { signal })).toMatchObject({ state: "cancelled" }); // Twice is once.
  await expect(first.jobs.cancel("01ARZ3NDEKTSV4RRFFQ69G5FAV", { signal })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});

test("a resumable job of a killed node is taken over where its checkpoint stands; the late node changes nothing", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "resume")]);
  const second = cluster.node("second", [work.kind("second", "resume")]);
  const { id } = await started(first.jobs);
  await work.begun(1);
  await work.runs[0]?.context.checkpoint({ at: 7 });
  expect(await second.runner.runOnce(signal)).toBe(0); // Its lease holds.
  await first.kill();
  await expireLease(cluster.sql, id);
  expect(await second.runner.runOnce(signal)).toBe(1);
  await work.begun(2);
  expect(work.runs[1]).toMatchObject({ node: "second", context: { jobId: id, resumeFrom: { at: 7 } } });
  work.runs[1]?.end(1);
  expect(await ended(second.jobs, id)).toMatchObject({ state: "done", result: 1, nodeId: "second", attempts: 2 });
});

test("a run whose job was taken over is told so, and can neither end it nor keep a checkpoint", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "resume")], { heartbeatMs: 3_600_000 });
  const second = cluster.node("second", [work.kind("second", "resume")]);
  const { id } = await started(first.jobs);
  await work.begun(1);
  await expireLease(cluster.sql, id);
  expect(await second.runner.runOnce(signal)).toBe(1);
  await work.begun(2);
  await expect(work.runs[0]?.context.checkpoint({ at: 99 })).rejects.toMatchObject({ code: "ABORTED" });
  expect(work.runs[0]?.context.signal.aborted).toBe(true);
  await first.runner.stop();
  expect(await second.jobs.get(id, { signal })).toMatchObject({ state: "running", nodeId: "second" });
  work.runs[1]?.end(2);
  expect(await ended(second.jobs, id)).toMatchObject({ state: "done", result: 2 });
});

test("a job that can't be resumed is marked interrupted when its node is gone, and makes room for the next one", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const alone = { exclusive: () => "alone" };
  const first = cluster.node("first", [work.kind("first", "interrupt", alone)]);
  const second = cluster.node("second", [work.kind("second", "interrupt", alone)]);
  const { id } = await started(first.jobs);
  const refused = await second.jobs.start("controlled", {}, { signal });
  expect(refused).toMatchObject({ outcome: "running", job: { id } });
  await first.kill();
  await expireLease(cluster.sql, id);
  const next = await started(second.jobs); // Without a pass of any runner in between.
  expect(await second.jobs.get(id, { signal })).toMatchObject({ state: "failed", error: { code: "INTERRUPTED" } });
  expect(next.id).not.toBe(id);
});

test("a lease from a clock that was ahead counts as expired", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "resume")], { heartbeatMs: 3_600_000 });
  const second = cluster.node("second", [work.kind("second", "resume")]);
  const { id } = await started(first.jobs);
  await first.kill();
  await cluster.sql`update mnemosync.jobs set lease_expires_at = clock_timestamp() + interval '3 years' where id = ${id}`;
  expect(await second.runner.runOnce(signal)).toBe(1);
});

test("what kills each node that takes it over is given up after five attempts", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "resume")], { concurrencyMax: 10, heartbeatMs: 3_600_000 });
  const { id } = await started(node.jobs);
  for (let attempt = 2; attempt <= 5; attempt++) {
    await expireLease(cluster.sql, id);
    expect(await node.runner.runOnce(signal)).toBe(1);
  }
  await expireLease(cluster.sql, id);
  expect(await node.runner.runOnce(signal)).toBe(0);
  expect(await node.jobs.get(id, { signal })).toMatchObject({
    state: "failed",
    attempts: 5,
    error: { code: "INTERRUPTED" },
  });
});

test("a node that stops gives resumable jobs back at once, and fails the others", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const other = { ...work.kind("first", "interrupt"), kind: "other" };
  const first = cluster.node("first", [work.kind("first", "resume"), other]);
  const second = cluster.node("second", [work.kind("second", "resume")]);
  const { id } = await started(first.jobs);
  const interrupted = await first.jobs.start("other", {}, { signal });
  await work.begun(2);
  await first.runner.stop();
  expect(await second.jobs.get(id, { signal })).toMatchObject({ state: "queued", attempts: 0 });
  if (interrupted.outcome !== "started") throw new Error(interrupted.outcome);
  expect(await second.jobs.get(interrupted.job.id, { signal })).toMatchObject({
    state: "failed",
    error: { code: "INTERRUPTED" },
  });
  await expect(first.jobs.start("controlled", {}, { signal })).rejects.toMatchObject({ code: "CLOSED" });
  expect(await second.runner.runOnce(signal)).toBe(1);
});

test.for(["resume", "interrupt"] as const)(
  "a job whose claim got no answer is begun by the next pass, without a wait for its lease (%s)",
  async (whenLost, t) => {
    const cluster = await openCluster(t);
    const work = new Controlled();
    const node = cluster.node("only", [work.kind("only", whenLost)]);
    const queued = await node.jobs.enqueue("controlled", {}, { signal });
    loseAnswer(node.store, "claim");
    await expect(node.runner.runOnce(signal)).rejects.toThrow("the answer was lost");
    expect(await node.runner.runOnce(signal)).toBe(1);
    await work.begun(1);
    work.runs[0]?.end(7);
    if (queued.outcome !== "started") throw new Error(queued.outcome);
    expect(await ended(node.jobs, queued.job.id)).toMatchObject({ state: "done", result: 7, attempts: 1 });
    expect(await node.runner.runOnce(signal)).toBe(0);
  },
);

test("a job that was begun without an answer runs, and one whose end was lost does not run again", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "interrupt")]);
  loseAnswer(node.store, "insert");
  await expect(node.jobs.start("controlled", {}, { signal })).rejects.toThrow("the answer was lost");
  expect(await node.runner.runOnce(signal)).toBe(1);
  await work.begun(1);
  const lostEnd = new Promise<void>((resolve) => {
    vi.spyOn(node.store, "end").mockImplementationOnce(() => Promise.resolve(resolve()).then(lost));
  });
  work.runs[0]?.end(7);
  await lostEnd;
  expect(await node.runner.runOnce(signal)).toBe(0);
  expect(work.runs).toHaveLength(1);
});

test("a node that stops gives back at once what it claimed without an answer", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const first = cluster.node("first", [work.kind("first", "resume")]);
  const second = cluster.node("second", [work.kind("second", "resume")]);
  await first.jobs.enqueue("controlled", {}, { signal });
  loseAnswer(first.store, "claim");
  await expect(first.runner.runOnce(signal)).rejects.toThrow("the answer was lost");
  expect(await second.runner.runOnce(signal)).toBe(0);
  await first.runner.stop();
  expect(await second.runner.runOnce(signal)).toBe(1);
});

test("a job whose ledger stays away for longer than its lease ends by itself: another node may have it", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "resume")], { leaseMs: 100 });
  await started(node.jobs);
  await work.begun(1);
  await node.kill();
  await pollUntil("its end", 30_000, () => work.runs[0]?.context.signal.aborted === true);
});

test("two nodes with the same schedule make one run when it is due, and none while that one is open", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const nodes = ["first", "second"].map((name) => cluster.node(name, [work.kind(name, "interrupt")]));
  const rhythm = { everyMs: 60_000 };
  for (const { jobs } of nodes) await jobs.schedule("nightly", { kind: "controlled", rhythm }, { signal });
  const pass = async (): Promise<number> => {
    const begun = await Promise.all(nodes.map(({ runner }) => runner.runOnce(signal)));
    return begun.reduce((sum, count) => sum + count, 0);
  };
  const due = () => cluster.sql`update mnemosync.job_schedules set due_at = clock_timestamp() - interval '1 minute'`;
  expect(await pass()).toBe(0); // The first run is an interval away.
  await due();
  expect((await pass()) + (await pass())).toBe(1);
  await due();
  expect((await pass()) + (await pass())).toBe(0);
  const [open] = await nodes[0]!.jobs.list({ signal });
  work.runs[0]?.end(1);
  await ended(nodes[0]!.jobs, open?.id ?? "");
  expect((await pass()) + (await pass())).toBe(1); // What was due meanwhile happens afterwards, once.
  expect(work.runs).toHaveLength(2);
  expect(await nodes[0]!.jobs.list({ signal })).toMatchObject([{ schedule: "nightly" }, { schedule: "nightly" }]);
});

test("a run that was missed a thousand times happens once, and the beat is kept", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "interrupt")], { concurrencyMax: 10 });
  await node.jobs.schedule("often", { kind: "controlled", rhythm: { everyMs: 1_000_000 } }, { signal });
  await cluster.sql`update mnemosync.job_schedules set due_at = clock_timestamp() - 1000.5 * interval '1000 seconds'`;
  expect(await node.runner.runOnce(signal)).toBe(1);
  await work.begun(1);
  work.runs[0]?.end(1);
  const [schedule] = await node.jobs.schedules({ signal });
  await ended(node.jobs, schedule?.lastJobId ?? "");
  expect(await node.runner.runOnce(signal)).toBe(0);
  const [row] = await cluster.sql<{ ahead: number }[]>`
    select extract(epoch from due_at - clock_timestamp())::float8 as ahead from mnemosync.job_schedules`;
  expect(row?.ahead).toBeGreaterThan(400);
  expect(row?.ahead).toBeLessThanOrEqual(500);
});

test("each call takes its signal from an options object, and a fired signal ends the call", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const { jobs } = cluster.node("only", [work.kind("only", "interrupt")]);
  const fired = { signal: AbortSignal.abort(new Error("the caller gave up")) };
  const rhythm = { everyMs: 60_000 };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    start: () => jobs.start("controlled", {}, fired),
    enqueue: () => jobs.enqueue("controlled", {}, fired),
    list: () => jobs.list(fired),
    get: () => jobs.get("01ARZ3NDEKTSV4RRFFQ69G5FAV", fired),
    cancel: () => jobs.cancel("01ARZ3NDEKTSV4RRFFQ69G5FAV", fired),
    schedule: () => jobs.schedule("s", { kind: "controlled", rhythm }, fired),
    unschedule: () => jobs.unschedule("s", fired),
    schedules: () => jobs.schedules(fired),
  };
  for (const [name, call] of Object.entries(calls))
    await expect(call(), name).rejects.toMatchObject({ code: "ABORTED" });
  for await (const job of jobs.changes("01ARZ3NDEKTSV4RRFFQ69G5FAV", fired)) expect(job).toBeUndefined();
  expect(await jobs.list()).toEqual([]);
  expect(await jobs.schedules()).toEqual([]);
});

test("a due time from a clock that was ahead neither stops a schedule nor makes it run at once", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "interrupt")]);
  await node.jobs.schedule("every", { kind: "controlled", rhythm: { everyMs: 60_000 } }, { signal });
  await node.jobs.schedule(
    "cron",
    { kind: "controlled", rhythm: { cron: "0 3 * * *", timeZone: "Europe/Berlin" } },
    { signal },
  );
  await cluster.sql`update mnemosync.job_schedules set due_at = clock_timestamp() + interval '3 years'`;
  expect(await node.runner.runOnce(signal)).toBe(0);
  const ahead = await cluster.sql<{ name: string; seconds: number }[]>`
    select name, extract(epoch from due_at - clock_timestamp())::float8 as seconds
    from mnemosync.job_schedules order by name`;
  expect(ahead[0]?.seconds).toBeLessThanOrEqual(25 * 3_600);
  expect(ahead[1]?.seconds).toBeLessThanOrEqual(60);
  await cluster.sql`update mnemosync.job_schedules set due_at = clock_timestamp()`;
  await node.runner.runOnce(signal);
  await work.begun(2);
});

test("a schedule declared again as it was keeps its due time; another rhythm begins anew", async (t) => {
  const cluster = await openCluster(t);
  const node = cluster.node("only", [new Controlled().kind("only", "interrupt")]);
  const declare = (everyMs: number) => node.jobs.schedule("s", { kind: "controlled", rhythm: { everyMs } }, { signal });
  await declare(60_000);
  await cluster.sql`update mnemosync.job_schedules set due_at = clock_timestamp() + interval '5 seconds'`;
  const [before] = await node.jobs.schedules({ signal });
  await declare(60_000);
  expect(await node.jobs.schedules({ signal })).toEqual([before]);
  await declare(31_557_600_000);
  const [after] = await node.jobs.schedules({ signal });
  expect(Date.parse(after?.dueAt ?? "") - Date.parse(before?.dueAt ?? "")).toBeGreaterThan(31_000_000_000);
  expect(await node.jobs.unschedule("s", { signal })).toBe(true);
  expect(await node.jobs.unschedule("s", { signal })).toBe(false);
});

test("bounds: jobs of a node, open jobs, sizes, kept jobs, and what a schedule may say", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [work.kind("only", "interrupt")], { concurrencyMax: 2, keptMax: 3 });
  await started(node.jobs);
  const last = await started(node.jobs);
  expect(await node.jobs.start("controlled", {}, { signal })).toEqual({ outcome: "full" });
  await node.jobs.enqueue("controlled", {}, { signal });
  expect(await node.runner.runOnce(signal)).toBe(0);
  await expect(node.jobs.start("controlled", { label: "x".repeat(70_000) }, { signal })).rejects.toThrow(/65536/);
  await expect(node.jobs.start("controlled", { label: 1 }, { signal })).rejects.toMatchObject({ path: "input.label" });
  await expect(node.jobs.start("nothing", {}, { signal })).rejects.toMatchObject({ code: "CONFIGURATION" });
  for (const rhythm of [
    { everyMs: 10 },
    { everyMs: 1.5 },
    { cron: "61 * * * *" },
    { cron: "* * * * *", timeZone: "X/Y" },
  ]) {
    const scheduling = node.jobs.schedule("bad", { kind: "controlled", rhythm }, { signal });
    await expect(scheduling).rejects.toMatchObject({ code: "CONFIGURATION" });
  }
  await cluster.sql`
    insert into mnemosync.jobs (id, kind, state, input, resumable)
    select 'q' || n, 'controlled', 'queued', '{}', false from generate_series(1, ${OPEN_MAX - 3}) n`;
  expect(await node.jobs.enqueue("controlled", {}, { signal })).toEqual({ outcome: "full" });
  await cluster.sql`update mnemosync.jobs set state = 'cancelled', ended_at = clock_timestamp() where state = 'queued'`;
  await cluster.sql`update mnemosync.jobs set ended_at = clock_timestamp() - interval '31 days' where id = 'q1'`;
  expect(await node.store.prune(3, 2_592_000_000, signal)).toBe(OPEN_MAX - 5);
  expect(await node.jobs.get(last.id, { signal })).toMatchObject({ state: "running" });
});

test("a failure is kept with its code, and a result that can't be kept is one", async (t) => {
  const cluster = await openCluster(t);
  const work = new Controlled();
  const node = cluster.node("only", [
    work.kind("only", "interrupt", { run: () => Promise.reject(new Error("a \u0000 broken thing")) }),
    { ...work.kind("only", "interrupt"), kind: "large", run: async () => 1n as unknown as number },
  ]);
  const { id } = await started(node.jobs);
  expect(await ended(node.jobs, id)).toMatchObject({
    state: "failed",
    error: { code: "INTERNAL", message: "a \u0000 broken thing" },
    result: null,
  });
  const large = await node.jobs.start("large", {}, { signal });
  if (large.outcome !== "started") throw new Error(large.outcome);
  expect(await ended(node.jobs, large.job.id)).toMatchObject({
    state: "failed",
    error: { message: expect.stringContaining("BigInt") },
  });
});

test("a row that no version of the program wrote is refused, and does not keep others from being read", async (t) => {
  const cluster = await openCluster(t);
  const node = cluster.node("only", [new Controlled().kind("only", "interrupt")]);
  await cluster.sql`
    insert into mnemosync.jobs (id, kind, state, input, resumable, result, ended_at)
    values ('a', 'controlled', 'done', '{}', false, '"no number"', clock_timestamp()),
           ('b', 'controlled', 'done', '{}', false, '5', clock_timestamp())`;
  expect(node.jobs.resultOf(await node.jobs.get("b", { signal }))).toBe(5);
  const broken = await node.jobs.get("a", { signal });
  expect(() => node.jobs.resultOf(broken)).toThrow(/can't be read back/);
});
