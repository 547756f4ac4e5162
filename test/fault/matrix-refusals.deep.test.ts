import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import {
  type Attempt,
  expectConverged,
  expectTrueOutcomes,
  seedMemories,
  statusesOf,
  writeUnderFault,
  writeUnprepared,
} from "../support/fault-attempts.ts";
import {
  describeFault,
  type Fault,
  isCommitted,
  MatrixWorlds,
  neverFails,
  unprepared,
  type WorldKind,
} from "../support/fault-matrix.ts";
import { faultServers } from "../support/fault-servers.ts";
import type { FaultWorld } from "../support/fault-world.ts";

/** Goal: stores that answer and say no are told apart from stores that are away, and cost no write its truth. */
const worlds = new MatrixWorlds(faultServers());

const configure = (world: FaultWorld, ...args: [string, string]) =>
  world.redis((redis) => redis.config("SET", ...args));

/** A folder where the dump belongs: the save that Redis begins then cannot end well. */
const dumpOf = (world: FaultWorld): string => join(world.servers.redis.folder, "dump.rdb");

const redisFaults: Fault[] = [
  {
    store: "Redis",
    name: "out of memory (OOM)",
    begin: async (world) => void (await configure(world, "maxmemory", "1")),
    end: async (world) => void (await configure(world, "maxmemory", "0")),
  },
  {
    store: "Redis",
    name: "turned into a replica (READONLY)",
    begin: (world) => world.redis(async (redis) => void (await redis.replicaof("127.0.0.1", "1"))),
    end: (world) => world.redis(async (redis) => void (await redis.replicaof("NO", "ONE"))),
  },
  {
    store: "Redis",
    name: "unable to save (MISCONF)",
    begin: async (world) => {
      await configure(world, "save", "3600 1");
      await rm(dumpOf(world), { force: true });
      await mkdir(join(dumpOf(world), "in-the-way"), { recursive: true });
      await world.redis(async (redis) => {
        await redis.bgsave();
        await pollUntil("the failure of the save", 30_000, async () =>
          (await redis.info("persistence")).includes("rdb_last_bgsave_status:err"),
        );
      });
    },
    end: async (world) => {
      await rm(dumpOf(world), { recursive: true });
      await configure(world, "save", "");
      await world.redis(async (redis) => {
        await redis.bgsave();
        await pollUntil("a save that ends well", 30_000, async () =>
          (await redis.info("persistence")).includes("rdb_last_bgsave_status:ok"),
        );
      });
    },
  },
  {
    store: "Redis",
    name: "without the right to write (NOPERM)",
    begin: (world) => world.redis(async (redis) => void (await redis.acl("SETUSER", "default", "-hset"))),
    end: (world) => world.redis(async (redis) => void (await redis.acl("SETUSER", "default", "+@all"))),
  },
];

const points = ["before prepare", "between prepare and commit", "between commit and publish"] as const;

function refusedUnless(committed: boolean): (statuses: string[]) => void {
  if (committed) return neverFails;
  return (statuses) => expect(new Set(statuses)).toEqual(new Set(["STORE_REFUSED"]));
}

for (const fault of redisFaults) {
  const written = () => ({ expectStatuses: neverFails });
  describeFault(worlds, fault, "under degrade", written, points);
  describeFault(worlds, fault, "under degrade, unprepared", unprepared(written), ["between commit and publish"]);
  describeFault(
    worlds,
    fault,
    "under reject",
    (point) => ({ onStoreDown: "reject", expectStatuses: refusedUnless(point !== "before prepare") }),
    points.filter((point) => !isCommitted(point)),
  );
}

/** Makes Postgres fail what a write does to `memory_versions`, `times` times in all. */
async function failWrites(
  world: FaultWorld,
  sqlState: string,
  times: number,
  moment: "write" | "commit",
): Promise<void> {
  const trigger =
    moment === "write"
      ? "create trigger fail_write before insert or update on mnemosync.memory_versions"
      : "create constraint trigger fail_write after insert or update on mnemosync.memory_versions deferrable initially deferred";
  await world.sql(async (sql) => {
    await sql.unsafe(`
      create sequence failures;
      create function fail_write() returns trigger language plpgsql as $$
      begin
        -- Sequences are not rolled back: the one thing that counts failures.
        if nextval('failures') <= ${times} then raise exception 'injected' using errcode = '${sqlState}'; end if;
        return new;
      end $$;
      ${trigger} for each row execute function fail_write()`);
  });
}

async function stopFailing(world: FaultWorld): Promise<void> {
  await world.sql((sql) => sql.unsafe("drop function fail_write() cascade; drop sequence failures"));
}

const sqlStates = {
  "40001": "a serialization failure",
  "40P01": "a deadlock",
  "55P03": "a lock time-out",
  "53100": "a full disk",
  "53200": "a lack of memory",
};

/** Writes that no store is asked about before, and those that every store is asked about. */
const WAYS = [{ unprepared: true }, { unprepared: false }];

async function writeOn(world: FaultWorld, base: number, turn: number, way: WorldKind): Promise<Attempt[]> {
  return await (way.unprepared ? writeUnprepared(world, base, turn) : writeUnderFault(world, base));
}

for (const way of WAYS) {
  for (const [sqlState, what] of Object.entries(sqlStates)) {
    for (const moment of ["write", "commit"] as const) {
      describe(`${what} (${sqlState}) at ${moment}${way.unprepared ? ", unprepared" : ""}`, () => {
        test("that passes is not noticed", async () => {
          await worlds.with(way, async (world, base, turn) => {
            await seedMemories(world, base);
            await failWrites(world, sqlState, 1, moment);
            const attempts = await writeOn(world, base, turn, way);
            await stopFailing(world);
            expect(new Set(statusesOf(attempts))).toEqual(new Set(["synced"]));
            await expectTrueOutcomes(world, attempts);
            await expectConverged(world);
          });
        });

        test("that stays fails the write with a code that says so, and leaves no trace", async () => {
          await worlds.with(way, async (world, base, turn) => {
            await seedMemories(world, base);
            await failWrites(world, sqlState, 1_000, moment);
            const attempts = await writeOn(world, base, turn, way);
            await stopFailing(world);
            for (const { result } of attempts) {
              expect(result).toMatchObject({ status: "rejected", reason: { code: "STORE_REFUSED", retryable: true } });
            }
            await expectTrueOutcomes(world, attempts);
            await expectConverged(world);
          });
        });
      });
    }
  }
}

test.each([
  ["every store", false],
  ["no store", true],
])("a memory that the ledger refuses is isolated from a chunk that %s is asked about", async (_, isUnprepared) => {
  await worlds.with({ unprepared: isUnprepared }, async (world, base) => {
    await seedMemories(world, base);
    const refused = `m${base + 10}`;
    await world.sql((sql) =>
      sql.unsafe(`alter table mnemosync.memory_versions add constraint poison check (memory_id <> '${refused}')`),
    );
    const attempts = await writeUnderFault(world, base);
    expect(statusesOf(attempts)).toEqual(["synced", "STORE_REFUSED", "synced", "synced"]);
    await expectTrueOutcomes(world, attempts);
    await world.sql((sql) => sql`alter table mnemosync.memory_versions drop constraint poison`);
    await expectConverged(world);
  });
});
