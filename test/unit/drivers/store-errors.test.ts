import { describe, expect, test } from "vitest";
import { InternalError, StoreRefusedError, StoreUnavailableError } from "../../../src/domain/errors.ts";
import {
  classifyPostgresError,
  type PostgresFailure,
  postgresError,
} from "../../../src/drivers/postgres/postgres-errors.ts";
import { redisError } from "../../../src/stores/redis/redis-errors.ts";

const coded = (code: string, fields: object = {}) =>
  Object.assign(new Error(`failed with ${code}`), { code, ...fields });

/** By SQLSTATE (PostgreSQL, appendix A) or the driver's code. */
const POSTGRES: Record<PostgresFailure, string[]> = {
  unavailable: [
    "CONNECTION_CLOSED",
    "CONNECTION_ENDED",
    "CONNECTION_DESTROYED",
    "CONNECT_TIMEOUT",
    "ECONNREFUSED",
    "ECONNRESET",
    "EPIPE",
    "ENOTFOUND",
    "ETIMEDOUT",
    "08000",
    "08003",
    "08006",
    "57P01",
    "57P02",
    "57P03",
    "53300",
    "25P03",
  ],
  contention: ["40001", "40P01", "55P03", "57014"],
  exhausted: ["53100", "53200", "53400", "58030"],
  data: ["22001", "22003", "22P02", "22P05", "23502", "23505", "23514", "54000", "P0001"],
  refused: ["42501", "42P01", "42601", "25006", "28P01", "3D000", "0A000", "08P01", "XX000"],
};

describe("a failure of Postgres", () => {
  const cases = Object.entries(POSTGRES).flatMap(([failure, codes]) => codes.map((code) => ({ failure, code })));
  test.each(cases)("with code $code is: $failure", ({ failure, code }) => {
    expect(classifyPostgresError(coded(code))).toBe(failure);
    const error = postgresError(coded(code));
    if (failure === "unavailable") expect(error).toBeInstanceOf(StoreUnavailableError);
    else expect(error).toBeInstanceOf(StoreRefusedError);
    expect(error).toMatchObject({ store: "postgres", message: expect.stringContaining(code) });
    expect((error as { retryable: boolean }).retryable).toBe(
      ["unavailable", "contention", "exhausted"].includes(failure),
    );
    expect((error as Error).cause).toMatchObject({ code });
  });

  test.each([
    ["the database system is starting up", "unavailable"],
    ["server conn crashed?", "unavailable"],
    ["query_wait_timeout", "unavailable"],
    ["no such database: other", "refused"],
    ["SASL authentication failed", "refused"],
    ["unsupported startup parameter: search_path", "refused"],
  ])("as a pooler words it, %j, is: %s", (message, failure) => {
    const error = Object.assign(new Error(message), { code: "08P01", severity_local: "FATAL" });
    expect(classifyPostgresError(error)).toBe(failure);
    // The server's own: the connection goes on.
    expect(classifyPostgresError(Object.assign(error, { severity_local: "ERROR" }))).toBe("refused");
  });

  test("without a code is no failure of Postgres, and passes through like our own", () => {
    const stranger = new TypeError("x is not a function");
    const own = new InternalError("x");
    expect(postgresError(stranger)).toBe(stranger);
    expect(postgresError(own)).toBe(own);
    expect(classifyPostgresError(undefined)).toBe("refused");
  });
});

const reply = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });

const REDIS: Record<"STORE_UNAVAILABLE" | "STORE_REFUSED", Error[]> = {
  STORE_UNAVAILABLE: [
    reply("LOADING Redis is loading the dataset in memory"),
    reply("TRYAGAIN Multiple keys request during rehashing of slot"),
    reply("CLUSTERDOWN The cluster is down"),
    reply("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    reply("BUSY Redis is busy running a script."),
    reply("ERR Error running script: LOADING Redis is loading"),
    new Error("Connection is closed."),
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    coded("ECONNREFUSED"),
    coded("ECONNRESET"),
  ],
  STORE_REFUSED: [
    reply("OOM command not allowed when used memory > 'maxmemory'."),
    reply("ERR user_script:1: OOM command not allowed when used memory > 'maxmemory'."),
    reply("READONLY You can't write against a read only replica."),
    reply("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."),
    reply("NOREPLICAS Not enough good replicas to write."),
    reply("NOPERM this user has no permissions to run the 'evalsha' command"),
    reply("NOAUTH Authentication required."),
    reply("WRONGPASS invalid username-password pair"),
    reply("ERR unknown command 'EVALSHA'"),
    reply("WRONGTYPE Operation against a key holding the wrong kind of value"),
    reply("CROSSSLOT Keys in request don't hash to the same slot"),
  ],
};

describe("a failure of Redis", () => {
  const cases = Object.entries(REDIS).flatMap(([code, errors]) => errors.map((error) => ({ code, error })));
  test.each(cases)("$error.message is $code", ({ code, error }) => {
    const found = redisError(error);
    expect(found).toMatchObject({ code, store: "redis", retryable: code === "STORE_UNAVAILABLE", cause: error });
    // The driver's words for a link that is down say nothing to an operator.
    const said = error.message.startsWith("Stream isn't writeable") ? "not connected" : error.message;
    expect(found.message).toContain(said);
  });

  test("by the caller's signal tells a deadline from a change of mind", () => {
    const late = AbortSignal.abort(new DOMException("time is up", "TimeoutError"));
    expect(redisError(late.reason, late)).toMatchObject({ code: "STORE_UNAVAILABLE" });
    const given = AbortSignal.abort();
    expect(redisError(given.reason, given)).toMatchObject({ code: "ABORTED" });
  });

  test("of our own passes through", () => {
    const own = new InternalError("x");
    expect(redisError(own)).toBe(own);
  });
});
