import { afterEach, describe, expect, test, vi } from "vitest";
import { connectorDefinition } from "../../src/connectors/definition.ts";
import { ConnectorScheduler } from "../../src/connectors/hosted/scheduler.ts";
import type { PostgresAccess } from "../../src/drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { ConfigurationError } from "../../src/index.ts";
import { useDeployment } from "../support/connectors/deployment.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";
import { openWebhookWorld } from "../support/webhook-world.ts";
import { recordingLog } from "../unit/faiss/support.ts";

/** Goal: what an operator sees of connectors, and is told: dead letters by pages, times of runs, and alerts. */

const deployment = useDeployment();
const HOUR_MS = 3_600_000;
afterEach(() => {
  vi.restoreAllMocks();
});

describe("an operator", () => {
  test("dead letters come in pages: none twice, none passed over, whatever goes between them; large ones fewer to a page", async () => {
    const { id, piping, node } = deployment;
    const own = node();
    const { sql } = deployment.world;
    await own.connectors.create(id, piping());
    await sql`
      insert into mnemosync.connector_dead_letters (connector, item_id, namespace, memory_id, code, reason, at, payload)
      select ${id}, 'i' || n, ${id}, 'i' || n, 'VALIDATION', 'no', clock_timestamp(),
             json_build_object('content', repeat('x', case when n > 3 then 9000000 else 1 end))::text
      from generate_series(1, 5) n`;
    await sql`
      insert into mnemosync.connector_records
        (connector, namespace, memory_id, version, wanted, ends, state, old, doomed, is_doomed, reason, seen_in)
      select ${`${id}/to`}, ${id}, 'm' || n, 1, 1, false, 'failed', '[]', '[]', false, 'no', 'r1'
      from generate_series(1, 5) n`;
    const page = async (cursor: string | null, limit: number) => {
      const { letters, cursor: next } = await own.connectors.deadLetters(id, { limit, ...(cursor && { cursor }) });
      return { ids: letters.map((letter) => letter.id), next };
    };
    const first = await page(null, 2);
    expect(first.ids).toEqual(["i1", "i2"]);
    // The letter that the page ended with goes, and so does one behind it.
    await own.connectors.drop(id, { letters: ["i2", "i3"] });
    const second = await page(first.next, 3);
    expect(second.ids).toEqual(["i4"]);
    const third = await page(second.next, 3);
    expect(third.ids).toEqual(["i5", `${id}/m1`, `${id}/m2`]);
    // A look at a record changes its place in the queue, and not among the letters.
    await sql`update mnemosync.connector_records set moved = default where connector = ${`${id}/to`} and memory_id in ('m1', 'm3')`;
    await own.connectors.drop(id, { letters: [`${id}/m2`] });
    const last = await page(third.next, 3);
    expect([last.ids, last.next]).toEqual([[`${id}/m3`, `${id}/m4`, `${id}/m5`], null]);
    await expect(own.connectors.deadLetters(id, { cursor: "i1" })).rejects.toMatchObject({ code: "VALIDATION" });
    await expect(own.connectors.deadLetters(id, { limit: 0 })).rejects.toMatchObject({ code: "VALIDATION" });
  });

  test("what was made or replaced is told as it was, also where another operator removes it meanwhile", async () => {
    const { id, importing, node } = deployment;
    const own = node();
    const { sql } = deployment.world;
    await sql.unsafe(`
      create function public.removed_at_once() returns trigger language plpgsql as $$
        begin delete from mnemosync.connectors where id = new.id; return null; end $$;
      create trigger removed_at_once after insert or update on mnemosync.connectors for each row
        when (new.id = '${id}' and (new.revision = 2 or new.definition::text like '%at once%'))
        execute function public.removed_at_once()`);
    try {
      const atOnce = { ...importing(), mapping: { idPrefix: "at once/" } };
      expect(await own.connectors.create(id, atOnce)).toMatchObject({
        id,
        revision: 1,
        invalid: null,
        shown: { mapping: atOnce.mapping },
      });
      await expect(own.connectors.get(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
      expect(await own.connectors.create(id, importing())).toMatchObject({ id, revision: 1 });
      expect(await own.connectors.replace(id, importing())).toMatchObject({ id, revision: 2, origin: "api" });
      await expect(own.connectors.get(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    } finally {
      await sql.unsafe("drop function public.removed_at_once() cascade");
    }
  });

  test("a connector whose state another run has is told so by its code", async () => {
    const { id, importing, delivering, node } = deployment;
    const own = node();
    await own.connectors.create(id, importing());
    await own.connectors.create(`${id}-out`, delivering());
    const other = `01${id.toUpperCase().padEnd(24, "0")}`;
    await deployment.world.sql`
      insert into mnemosync.jobs (id, kind, state, input, resumable, lease_expires_at)
      values (${other}, 'other', 'running', '{}', true, clock_timestamp() + interval '1 minute')`;
    for (const connector of [id, `${id}-out`]) {
      await deployment.world.sql`
        insert into mnemosync.connector_states (connector, run_id, writer) values (${connector}, ${other}, 'another')`;
      for (const scope of ["changes", "replay"] as const) {
        expect(await own.run(connector, { scope })).toMatchObject({
          ...{ state: "failed", error: { code: "CONNECTOR_RUNNING", message: expect.stringContaining(other) } },
        });
      }
    }
  });
});

test("the status of however many connectors takes one connection beside that of their definitions", async () => {
  const { id, importing, piping, node } = deployment;
  let uses = 0;
  const counted = (postgres: PostgresAccess): PostgresAccess =>
    new Proxy(postgres, {
      get(target, name) {
        if (name === "use") uses++;
        const found: unknown = Reflect.get(target, name);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
  const own = node({ wrap: (parts) => ({ ...parts, postgres: counted(parts.postgres) }) });
  await own.connectors.create(id, importing());
  await own.connectors.create(`${id}-pipe`, piping());
  const run = await own.run(id);
  uses = 0;
  const statuses = await own.connectors.statuses();
  expect(uses).toBe(2);
  const [ours, pipe] = [id, `${id}-pipe`].map((each) => statuses.find((status) => status.id === each));
  expect(ours?.lastRun).toMatchObject({ id: run.id, state: run.state });
  expect(pipe).toMatchObject({ state: "idle", lastRun: null });
});

describe("times of runs", () => {
  test("jitter puts each connector off by a time of its own, once: looks do not move it, and a schedule without it is on time", async () => {
    const { id, importing, node } = deployment;
    const { connectors } = node();
    const schedule = { cron: "0 3 * * *", jitterMs: HOUR_MS };
    const ids = [0, 1, 2, 3, 4].map((number) => `${id}-${number}`);
    for (const each of ids) await connectors.create(each, importing({ schedule }));
    const times = async () => {
      const statuses = await connectors.statuses();
      return ids.map((each) => (statuses.find((status) => status.id === each)?.nextRunAt ?? 0) % (24 * HOUR_MS));
    };
    const first = await times();
    for (const time of first) {
      expect(time).toBeGreaterThanOrEqual(3 * HOUR_MS);
      expect(time).toBeLessThan(4 * HOUR_MS);
    }
    expect(new Set(first).size).toBeGreaterThan(1);
    await connectors.pause(ids[0] as string); // Which looks at all of them.
    expect((await times()).slice(1)).toEqual(first.slice(1));
    await connectors.replace(ids[1] as string, importing({ schedule: { cron: "0 3 * * *" } }));
    expect((await times())[1]).toBe(3 * HOUR_MS);
    await connectors.create(id, importing({ schedule: { everyMs: HOUR_MS, jitterMs: HOUR_MS / 2 } }));
    const [row] = await deployment.world.sql<{ delay: number }[]>`
      select delay_ms::float8 as delay from mnemosync.job_schedules where name = ${`connector:${id}`}`;
    const inMs = ((await connectors.status(id)).nextRunAt ?? 0) - Date.now();
    expect(inMs).toBeLessThanOrEqual(row?.delay ?? -1);
    expect(row?.delay).toBeLessThan(HOUR_MS / 2);
  });

  test.each([
    ["a second", { everyMs: 1_000 }, HOUR_MS],
    ["half an hour", { everyMs: HOUR_MS / 2 }, 1.5 * HOUR_MS],
    ["seven hours", { everyMs: 7 * HOUR_MS }, 21 * HOUR_MS],
    ["eight hours, by cron", { cron: "0 */8 * * *" }, 24 * HOUR_MS],
  ])(
    "a connector that is due every %s and has no success for three times, and an hour, is told of once",
    async (...given) => {
      const [, schedule, limitMs] = given;
      const { id, importing, world } = deployment;
      const pool = new PostgresPool(world.databaseUrl, { max: 1 });
      const log = recordingLog();
      let now = Date.UTC(2026, 0, 1);
      const defined = { id, origin: "api", shown: {}, revision: 1, invalid: null } as const;
      const scheduler = new ConnectorScheduler({
        definitions: {
          list: async () => [{ ...defined, definition: connectorDefinition().parse(importing({ schedule })) }],
        },
        jobs: { schedule: async () => undefined, unschedule: async () => true, schedules: async () => [] },
        runner: { start: () => undefined, stop: async () => undefined },
        ...{ postgres: pool, callTimeoutMs: 10_000, isEnabled: true, log, now: () => now },
      });
      const toldAfter = async (milliseconds: number): Promise<number> => {
        now += milliseconds;
        await scheduler.look(new AbortController().signal);
        return log.events.filter(({ event }) => event === "connector.stalled").length;
      };
      expect(await toldAfter(limitMs)).toBe(0);
      expect(await toldAfter(1)).toBe(1);
      expect(await toldAfter(limitMs)).toBe(1);
      await world.sql`
      insert into mnemosync.connector_states (connector, failures, succeeded_at)
      values (${id}, 0, to_timestamp(${now}::float8 / 1000))`;
      expect(await toldAfter(limitMs)).toBe(1);
      await world.sql`update mnemosync.connector_states set failures = 3 where connector = ${id}`;
      expect(await toldAfter(1_000)).toBe(2);
      expect(log.events.at(-1)).toMatchObject({ level: "warn", fields: { connector: id, failures: 3 } });
      // Paused by hand it is meant to stand still, and begins anew with the next look after that.
      await world.sql`
      update mnemosync.connector_states set paused_at = clock_timestamp(), paused_because = 'operator' where connector = ${id}`;
      expect(await toldAfter(limitMs)).toBe(2);
      await pool.close();
    },
  );

  test("a connector that cannot be scheduled is told of once, and is in no other one's way", async () => {
    const { id, importing, world } = deployment;
    const pool = new PostgresPool(world.databaseUrl, { max: 1 });
    const log = recordingLog();
    const definition = connectorDefinition().parse(importing({ schedule: { everyMs: HOUR_MS } }));
    const scheduled: string[] = [];
    const scheduler = new ConnectorScheduler({
      definitions: {
        list: async () =>
          ["bad", "good"].map((name) => ({
            ...{ origin: "settings" as const, shown: {}, revision: 0, invalid: null, definition },
            id: `${id}-${name}`,
          })),
      },
      jobs: {
        schedule: async (name) => {
          if (name.endsWith("bad")) throw new ConfigurationError("there is no such time");
          scheduled.push(name);
        },
        unschedule: async () => true,
        schedules: async () => [],
      },
      runner: { start: () => undefined, stop: async () => undefined },
      ...{ postgres: pool, callTimeoutMs: 10_000, isEnabled: true, log },
    });
    const signal = new AbortController().signal;
    await scheduler.look(signal);
    await scheduler.look(signal);
    await pool.close();
    expect(scheduled).toEqual([`connector:${id}-good`, `connector:${id}-good`]);
    expect(log.events).toMatchObject([
      {
        level: "error",
        event: "connector.invalid",
        fields: { connector: `${id}-bad`, reason: "there is no such time" },
      },
    ]);
  });
});

test("runs that fail, leave items undone, or do not come through are told to webhooks, without a word of an item", async (t) => {
  const world = await openWebhookWorld(t, {}, { connectors: { secretKey: CONNECTOR_KEY } });
  const receiver = await WebhookReceiver.start(t);
  const { connectors, subscriptions } = world.sync;
  await subscriptions.create({ url: receiver.url, topics: ["run.failed", "run.partial", "connector.stalled"] });
  const { importing, space } = deployment;
  space.faultOf = () => ({ kind: "status", status: 400, body: '{"error":"no"}' });
  await connectors.create("stalls", importing({ schedule: { everyMs: HOUR_MS / 10 } }));
  const [failed] = await receiver.take(1);
  expect(failed?.body).toMatchObject({
    ...{ type: "run.failed", data: { kind: "connector", code: "SERVICE_FAILED", jobs: 1, connector: "stalls" } },
  });

  space.faultOf = () => null;
  space.put({ id: "big", created_at: "2026-01-01T00:00:00Z", transcript: "zanzibarite ".repeat(100_000) });
  await connectors.create("parts", importing());
  const made = await connectors.trigger("parts", { here: true });
  const partial = (await receiver.take(2))[1];
  expect(partial?.body).toMatchObject({
    ...{ type: "run.partial", data: { connector: "parts", runId: made.id, failed: 1 } },
  });

  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + 2 * HOUR_MS);
  await connectors.resume("stalls"); // Which looks at all of them.
  const stalled = (await receiver.take(3))[2];
  expect(stalled?.body).toMatchObject({ type: "connector.stalled", data: { connector: "stalls", failures: 1 } });
  const { withoutSuccessMs = 0 } = (stalled?.body.data ?? {}) as { withoutSuccessMs?: number };
  expect(withoutSuccessMs).toBeGreaterThan(HOUR_MS);
  expect(JSON.stringify(receiver.received)).not.toMatch(/zanzibarite|secret-key/);
});
