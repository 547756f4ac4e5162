import { expect, onTestFinished, test } from "vitest";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { FaultWorld, type FaultWorldOptions } from "../support/fault-world.ts";
import type { Held } from "../support/held.ts";
import { inTime } from "../support/settles.ts";
import { TlsFront } from "../support/tls-front.ts";

/**
 * Goal: a lone write, whose row goes with its COMMIT and which no store has prepared, keeps every promise of the longer way. Method: steps
 * of the write tell which way it took; answers are lost, guesses are wrong, stores are away.
 */
const servers = faultServers();

async function withWorld(
  options: FaultWorldOptions,
  work: (world: FaultWorld, steps: () => string[]) => Promise<void>,
): Promise<void> {
  const world = await FaultWorld.open(servers.current, { unprepared: true, ...options });
  try {
    await work(world, () => world.steps.splice(0).filter((step) => step !== "marked"));
    await world.drain();
    await expectConverged(world);
  } finally {
    await world.close();
  }
}

/** Where PostgreSQL is well, a lost answer is always explained: on a slow machine later. */
const PATIENCE = {
  callTimeoutMs: 3_000,
  inDoubtTimeoutMs: 10_000,
  prepareTimeoutMs: 10_000,
  publishTimeoutMs: 10_000,
  cacheTimeoutMs: 3_000,
};
const PATIENT: FaultWorldOptions = { settings: PATIENCE };

const ALONE = ["starting", "committing", "committed", "publishing", "published"];
const STEPWISE = ["starting", "locked", "prepared", "committing", "committed", "publishing", "published"];

test("new memories, changes and deletions go in one flight; what others wrote is locked and decided on", () =>
  withWorld(PATIENT, async (world, steps) => {
    expect(await world.put(world.memory(1))).toMatchObject({ status: "synced", version: 1 });
    expect(steps()).toEqual(ALONE);
    expect(await world.put(world.memory(1, { content: "second" }))).toMatchObject({ status: "synced", version: 2 });
    expect(steps()).toEqual(ALONE);
    expect(await world.put(world.memory(1, { content: "second" }))).toMatchObject({ status: "unchanged", version: 2 });
    steps();
    expect(await world.sync.delete("m1")).toMatchObject({ status: "synced", version: 3 });
    expect(steps()).toEqual(ALONE);
    // As another node would, whose row this one knows nothing of.
    await world.sql(
      (sql) => sql`update mnemosync.memory_versions set tx_id = 'another' where memory_id = 'm1' and version = 3`,
    );
    expect(await world.put(world.memory(1, { content: "fourth" }))).toMatchObject({ status: "synced", version: 4 });
    expect(steps()).toEqual(["starting", "committing", ...STEPWISE.slice(1)]);
    expect(await world.sync.history("m1")).toHaveLength(4);
  }));

test("under `reject` each store is asked before the commit", () =>
  withWorld({ settings: { ...PATIENCE, onStoreDown: "reject" } }, async (world, steps) => {
    expect(await world.put(world.memory(1))).toMatchObject({ status: "synced" });
    expect(steps()).toEqual(STEPWISE);
  }));

test("a write whose answer is lost is found by its token, and the stores are given the ledger's time", () =>
  withWorld(PATIENT, async (world, steps) => {
    await world.put(world.memory(1));
    await world.untilMarked();
    steps();
    const { postgresProxy } = servers.current;
    world.atStep("committing", () => postgresProxy.when("toClient", null, () => postgresProxy.forgetOpen()));
    const outcome = await inTime("the write", world.put(world.memory(1, { content: "once" })));
    expect(outcome).toMatchObject({ status: "synced", version: 2, stores: { redis: "applied", faiss: "applied" } });
    expect(steps()).toEqual(ALONE);
    const [row] = await world.sql(
      (sql) => sql`select (extract(epoch from modified_at) * 1000)::bigint::text as at from mnemosync.memory_versions`,
    );
    expect(await world.redis((redis) => redis.hget(world.redisKey("m1"), "modified_at"))).toBe(row?.at);
  }));

test("a flight that was given up and arrives after its writer has written anew changes nothing", () =>
  withWorld(PATIENT, async (world) => {
    await world.put(world.memory(1));
    await world.untilMarked();
    const { postgresProxy } = servers.current;
    world.atStep("committing", () => postgresProxy.forgetOpen());
    const outcome = await inTime("the write", world.put(world.memory(1, { content: "anew" })));
    expect(outcome).toMatchObject({ status: "synced", version: 2 });
    postgresProxy.rememberForgotten();
    expect(await inTime("the next", world.put(world.memory(1, { content: "next" })))).toMatchObject({ version: 3 });
  }));

/** What PostgreSQL says at its end: `N` is a notice, as of a server process whose neighbour crashed, and `E` an error. */
const LAST_WORDS = [
  { type: "E", severity: "FATAL", code: "57P01", text: "terminating connection due to administrator command" },
  { type: "N", severity: "WARNING", code: "57P02", text: "terminating connection because of crash of another process" },
  { type: "E", severity: "FATAL", code: "57P03", text: "the database system is shutting down" },
  { type: "E", severity: "PANIC", code: "53100", text: "could not write to the log: No space left on device" },
  { type: "E", severity: "FATAL", code: "58030", text: "could not read a file: Input/output error" },
];

function messageOf({ type, severity, code, text }: (typeof LAST_WORDS)[number]): Buffer {
  const fields = Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${text}\0\0`);
  const head = Buffer.from(`${type}\0\0\0\0`);
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** Each of the last words in answer to a write's COMMIT, which the server carried out or never got. */
async function hearLastWords(world: FaultWorld): Promise<void> {
  const { postgresProxy } = servers.current;
  await world.put(world.memory(1));
  let version = 1;
  for (const words of LAST_WORDS) {
    for (const carriedOut of [true, false]) {
      await world.untilMarked();
      world.atStep("committing", () => postgresProxy.dieSaying(messageOf(words), carriedOut));
      const content = `${words.code}, ${carriedOut ? "carried out" : "not carried out"}`;
      const outcome = await inTime(content, world.put(world.memory(1, { content })));
      version++;
      expect({ content, ...outcome }).toMatchObject({ content, status: "synced", version });
      const { ledger } = (await world.look(["m1"])).get("m1") as Held;
      expect(ledger).toMatchObject({ version, content, transactionId: outcome.transactionId });
    }
  }
}

test("whatever the server says at its end: a write is stored once, as its outcome says", () =>
  withWorld(PATIENT, async (world, steps) => {
    await hearLastWords(world);
    expect(steps()).not.toContain("locked"); // Every one of them went with its COMMIT.
  }));

test("whatever the server says at its end, over TLS, where the driver hears it: a write is stored once, as its outcome says", () =>
  withWorld(PATIENT, async (world) => {
    const front = await TlsFront.start(servers.current.postgresProxy.port, "postgres");
    onTestFinished(() => front.close());
    const url = new URL(world.connectOptions.postgresUrl);
    url.port = String(front.port);
    url.searchParams.set("sslmode", "require");
    await world.disconnect();
    await world.connect({ postgresUrl: url.href });
    await hearLastWords(world);
  }));

test("a server that is killed once it has the COMMIT, and stays away: the outcome is called unknown, and stands", () =>
  withWorld({ settings: { ...PATIENCE, inDoubtTimeoutMs: 1_500 } }, async (world) => {
    await world.put(world.memory(1));
    await world.untilMarked();
    const { postgres, postgresProxy } = servers.current;
    world.atStep("committing", () =>
      postgresProxy.when("toClient", null, async () => {
        postgresProxy.dropReplies();
        await postgres.kill();
      }),
    );
    const writing = inTime("the write", world.put(world.memory(1, { content: "stored" })));
    await expect(writing).rejects.toMatchObject({ code: "COMMIT_OUTCOME_UNKNOWN" });
    await world.heal();
    expect((await world.look(["m1"])).get("m1")).toMatchObject({ ledger: { version: 2, content: "stored" } });
  }));

test("what the ledger refuses leaves no trace, and the next write goes on", () =>
  withWorld({ settings: { ...PATIENCE, retriesMax: 0 } }, async (world, steps) => {
    await world.put(world.memory(1));
    await world.sql((sql) =>
      sql.unsafe(
        "alter table mnemosync.memory_bodies add constraint no_poison check (document->>'content' <> 'POISON')",
      ),
    );
    steps();
    await expect(world.put(world.memory(1, { content: "POISON" }))).rejects.toMatchObject({ code: "STORE_REFUSED" });
    await expect(world.put(world.memory(2, { content: "POISON" }))).rejects.toMatchObject({ code: "STORE_REFUSED" });
    const held = await world.look(["m1", "m2"]);
    expect(held.get("m1")).toMatchObject({ ledger: { version: 1 }, redis: 1, faiss: 1 });
    expect(held.get("m2")).toEqual({ ledger: null, redis: null, faiss: null });
    expect(await world.put(world.memory(1, { content: "fine" }))).toMatchObject({ status: "synced", version: 2 });
  }));

test("a store that fails is asked first from then on, until it answers: what passes need not degrade a write", () =>
  withWorld({ settings: { ...PATIENCE, retriesMax: 5, retryDelayMs: 50 } }, async (world, steps) => {
    await world.put(world.memory(1));
    steps();
    const { redisProxy } = servers.current;
    world.during("publish", () => redisProxy.reset());
    const first = await world.put(world.memory(1, { content: "cut" }));
    expect(first.version).toBe(2);
    expect(["synced", "degraded"]).toContain(first.status);
    steps();
    if (first.status === "degraded") {
      expect(await world.put(world.memory(2))).toMatchObject({ status: "synced" });
      expect(steps().slice(-STEPWISE.length)).toEqual(STEPWISE);
    }
    expect(await world.put(world.memory(3))).toMatchObject({ status: "synced" });
    expect(steps()).toEqual(ALONE);
  }));
