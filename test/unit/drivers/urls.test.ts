import { expect, test } from "vitest";
import { ConfigurationError } from "../../../src/domain/errors.ts";
import { parsePostgresUrl } from "../../../src/drivers/postgres/postgres-url.ts";
import { parseRedisUrl } from "../../../src/drivers/redis/redis-url.ts";

test("a Postgres URL of one host is passed on as it is", () => {
  const url = "postgres://user:p%40ss@db.example:5433/name?application_name=x";
  const { targets, sessionAttributes } = parsePostgresUrl(url);
  expect(targets).toEqual([{ name: "db.example:5433", url, address: null, ssl: null }]);
  expect(sessionAttributes).toBe("any");
});

test("a Postgres URL of several hosts becomes one of each, and the driver sees no parameter that it does not know", () => {
  const url = "postgresql://u:p@a,b:6000,[::1]:7000/db?target_session_attrs=read-write&sslmode=require";
  const { targets, sessionAttributes } = parsePostgresUrl(url);
  expect(sessionAttributes).toBe("read-write");
  expect(targets.map((target) => target.url)).toEqual([
    "postgresql://u:p@a/db?sslmode=require",
    "postgresql://u:p@b:6000/db?sslmode=require",
    "postgresql://u:p@localhost:7000/db?sslmode=require",
  ]);
  expect(targets.map((target) => target.name)).toEqual(["a:5432", "b:6000", "[::1]:7000"]);
  expect(targets[2]?.address).toEqual({ host: "::1", port: 7000 });
});

test("verify-ca checks the chain and not the name, and a missing certificate is told of by its parameter", () => {
  const [target] = parsePostgresUrl("postgres://u@h/db?sslmode=verify-ca").targets;
  expect(target?.ssl).toMatchObject({ rejectUnauthorized: true, checkServerIdentity: expect.any(Function) });
  expect(target?.url).toBe("postgres://u@h/db");
  expect(() => parsePostgresUrl("postgres://u@h/db?sslrootcert=/no/such/file")).toThrow(/sslrootcert.*cannot be read/);
});

test("a Sentinel URL names its sentinels, the master and the database", () => {
  const url = "rediss+sentinel://user:p%3Aw@s1,s2:26380,[::1]:1/my%20master/3?sentinelPassword=secret";
  expect(parseRedisUrl(url)).toEqual({
    kind: "sentinel",
    username: "user",
    password: "p:w",
    tls: {},
    sentinels: [
      { host: "s1", port: 26_379 },
      { host: "s2", port: 26_380 },
      { host: "::1", port: 1 },
    ],
    master: "my master",
    database: 3,
    sentinelUsername: undefined,
    sentinelPassword: "secret",
  });
});

test("a cluster URL names some of its nodes", () => {
  expect(parseRedisUrl("redis+cluster://:pw@h1:7001,h2")).toMatchObject({
    kind: "cluster",
    password: "pw",
    tls: null,
    nodes: [
      { host: "h1", port: 7_001 },
      { host: "h2", port: 6_379 },
    ],
  });
});

test.each([
  "mysql://h/db",
  "postgres://,/db",
  "postgres://h:99999/db",
  "postgres://u:p@h:x/db",
  "postgres://h/db?target_session_attrs=fastest",
  "postgres://h1,,h2/db",
])("no Postgres URL: %s", (url) => {
  expect(() => parsePostgresUrl(url)).toThrow(ConfigurationError);
});

test.each([
  "redis+sentinel://h:1",
  "redis+sentinel://h:1/master/x",
  "redis+sentinel://h:1/master/0/more",
  "redis+cluster://h:1/3",
  "redis+cluster://",
  "redis+cluster://h:70000",
  "redis+magic://h",
])("no Redis URL: %s", (url) => {
  expect(() => parseRedisUrl(url)).toThrow(ConfigurationError);
});

test("a refusal does not repeat the password", () => {
  expect(() => parsePostgresUrl("postgres://u:secret@h:x/db")).toThrow(expect.not.stringContaining("secret") as never);
});
