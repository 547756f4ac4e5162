import { afterEach, beforeEach, expect, test } from "vitest";
import { type FlightStatement, OID } from "../../src/drivers/postgres/flight.ts";
import type { FlightChannel } from "../../src/drivers/postgres/flight-channel.ts";
import type { PostgresConnection } from "../../src/drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { postgresUrl } from "../support/services.ts";

/**
 * Goal: a flight and the driver's own statements take turns on one connection, whatever the server answers. Method: flights
 * that succeed, fail at each place, or lose their connection, with statements of the driver before and after them.
 */

let pool: PostgresPool;

beforeEach(() => {
  pool = new PostgresPool(postgresUrl(), { max: 2 });
});

afterEach(() => pool.close());

const statement = (name: string, text: string, ...types: number[]): FlightStatement => ({ name, text, types });
const ECHO = statement("echo", "select $1::text, $2::int8 + 1", OID.text, OID.int8);
const COPY = statement("copy", "copy rows (id, text) from stdin (format binary)");
const COUNT = statement("count", "select count(*)::int4 from rows");
const DIVIDE = statement("divide", "select 1 / $1", OID.int4);

async function using(work: (flights: FlightChannel, connection: PostgresConnection) => Promise<void>): Promise<void> {
  await pool.use(AbortSignal.timeout(90_000), async (connection) => {
    const { flights, sql } = connection;
    if (flights === undefined) throw new Error("no flights on a plain connection");
    await sql.unsafe("create temporary table if not exists rows (id int4 primary key, text text)");
    await work(flights, connection);
  });
}

/** As the text of `ECHO`'s answer and its number. */
async function echo(flights: FlightChannel, text: string | null, number = 1): Promise<unknown[]> {
  const flight = flights.begin([ECHO]);
  flight.execute(ECHO, (values) => {
    values.text(text);
    values.int64(number);
  });
  const [answer] = await flights.send(flight);
  const [said, next] = answer?.rows[0] ?? [];
  return [said?.toString() ?? null, Number(next?.readBigInt64BE())];
}

function copyOf(flights: FlightChannel, ids: readonly number[], text = "x") {
  const flight = flights.begin([COPY, COUNT]);
  flight.copy(COPY, (values) => {
    for (const id of ids) {
      values.row(2);
      values.int32(id);
      values.text(text);
    }
  });
  flight.execute(COUNT);
  return flight;
}

const countIn = async ({ sql }: PostgresConnection): Promise<number | undefined> =>
  (await sql<{ count: number }[]>`select count(*)::int as count from rows`)[0]?.count;

test("statements of a flight and of the driver alternate, prepared once", () =>
  using(async (flights, { sql }) => {
    for (let turn = 0; turn < 3; turn++) {
      expect(await echo(flights, `ü ↯ ${turn}`, turn)).toEqual([`ü ↯ ${turn}`, turn + 1]);
      expect(await sql`select ${turn}::int as turn`).toEqual([{ turn }]);
    }
    expect(await echo(flights, null)).toEqual([null, 2]);
    expect(flights.begin([ECHO, COUNT, COUNT]).prepares).toEqual(["count"]);
    const [row] = await sql<{ names: string[] }[]>`
      select array_agg(name)::text as names from pg_prepared_statements where name = 'echo'`;
    expect(row?.names).toBe("{echo}");
  }));

test("arrays arrive as they were", () =>
  using(async (flights) => {
    const lists = statement(
      "lists",
      "select $1::text, $2::text, array_length($3, 1)",
      OID.textArray,
      OID.int8Array,
      OID.int4Array,
    );
    const flight = flights.begin([lists]);
    flight.execute(lists, (values) => {
      values.array(OID.text, ["a", "", 'b"c', "d,e", "ü\n"], (text) => values.text(text));
      values.array(OID.int8, [1, -(2 ** 48), 2 ** 48], (number) => values.int64(number));
      values.array(OID.int4, [], () => undefined);
    });
    const [answer] = await flights.send(flight);
    expect(answer?.rows[0]?.map((bytes) => bytes?.toString() ?? null)).toEqual([
      '{a,"","b\\"c","d,e","ü\n"}',
      "{1,-281474976710656,281474976710656}",
      null,
    ]);
  }));

test("the rows of a COPY are sent with what follows it, and counted", () =>
  using(async (flights, connection) => {
    const ids = Array.from({ length: 3_000 }, (_, at) => at);
    const [copied, counted] = await flights.send(copyOf(flights, ids, "long ".repeat(200)));
    expect(copied?.count).toBe(3_000);
    expect(counted?.rows[0]?.[0]?.readInt32BE()).toBe(3_000);
    expect(await countIn(connection)).toBe(3_000);
  }));

test("a COPY that the server refuses after its last byte fails, and the connection goes on", () =>
  using(async (flights, connection) => {
    await flights.send(copyOf(flights, [1, 2]));
    for (let turn = 0; turn < 3; turn++) {
      await expect(flights.send(copyOf(flights, [3, 4, 2]))).rejects.toMatchObject({
        name: "PostgresError",
        severity: "ERROR",
        code: "23505",
        constraint_name: "rows_pkey",
        table_name: "rows",
      });
      expect(await countIn(connection)).toBe(2);
    }
    expect(await echo(flights, "after")).toEqual(["after", 2]);
  }));

test("after a statement that fails the rest of its flight is skipped, a COPY included", () =>
  using(async (flights, connection) => {
    for (let turn = 0; turn < 2; turn++) {
      const flight = flights.begin([DIVIDE, COPY]);
      flight.execute(DIVIDE, (values) => values.int32(0));
      flight.copy(COPY, (values) => {
        values.row(2);
        values.int32(9);
        values.text("never");
      });
      await expect(flights.send(flight)).rejects.toMatchObject({ code: "22012" });
      expect(await countIn(connection)).toBe(0);
    }
  }));

test("what was not prepared because of an error before it is prepared by the next flight", () =>
  using(async (flights, { sql }) => {
    const missing = statement("missing", "select from absent");
    const flight = flights.begin([DIVIDE, missing, ECHO]);
    flight.execute(ECHO, (values) => {
      values.text("a");
      values.int64(1);
    });
    await expect(flights.send(flight)).rejects.toMatchObject({ code: "42P01" });
    expect(flights.begin([DIVIDE, missing, ECHO]).prepares).toEqual(["missing", "echo"]);
    await sql.unsafe("create temporary table absent ()");
    expect(await echo(flights, "b")).toEqual(["b", 2]);
  }));

test("what the server tells of its own accord within a flight goes to the driver", () =>
  using(async (flights, { sql }) => {
    const parameter = statement("parameter", "select set_config('application_name', 'flown', false)");
    const notice = statement("notice", "do $$ begin raise warning 'heard'; end $$");
    const flight = flights.begin([parameter, notice, ECHO]);
    flight.execute(parameter);
    flight.execute(notice);
    flight.execute(ECHO, (values) => {
      values.text("x");
      values.int64(1);
    });
    const answers = await flights.send(flight);
    expect(answers).toHaveLength(3);
    expect(answers[2]?.rows[0]?.[0]?.toString()).toBe("x");
    expect(await sql`show application_name`).toEqual([{ application_name: "flown" }]);
  }));

test("two flights at a time are refused", () =>
  using(async (flights) => {
    const first = echo(flights, "one");
    await expect(echo(flights, "two")).rejects.toThrow("under way");
    expect(await first).toEqual(["one", 2]);
  }));

test("a flight whose server process is ended fails as an outage, with the server's reason", async () => {
  const sleep = statement("sleep", "select pg_sleep(60)");
  const work = using(async (flights, { backend }) => {
    const flight = flights.begin([sleep]);
    flight.execute(sleep);
    const sent = flights.send(flight);
    sent.catch(() => undefined); // It may fail before the other connection has its answer. Awaited below.
    await pool.use(AbortSignal.timeout(90_000), async ({ sql }) => {
      await expect
        .poll(
          async () => (await sql`select from pg_stat_activity where pid = ${backend.pid} and state = 'active'`).length,
        )
        .toBe(1);
      await sql`select pg_terminate_backend(${backend.pid})`;
    });
    await sent;
  });
  await expect(work).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});

test("a flight without an answer ends with its deadline", async () => {
  const sleep = statement("sleep", "select pg_sleep(60)");
  const beganAt = performance.now();
  const work = pool.use(AbortSignal.timeout(300), async ({ flights }) => {
    const flight = flights?.begin([sleep]);
    if (flights === undefined || flight === undefined) throw new Error("no flights");
    flight.execute(sleep);
    await flights.send(flight);
  });
  await expect(work).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(performance.now() - beganAt).toBeLessThan(30_000);
});
