import { expect, test } from "vitest";
import { nearestName } from "../../../src/domain/nearest-name.ts";

test.each([
  ["--memory-type", ["--redis-url", "--memory-tag-count", "--postgres-url"], null],
  ["--metric-port", ["--metrics-port", "--redis-url"], "--metrics-port"],
  ["postgres", ["redisUrl", "postgresUrl"], "postgresUrl"],
  ["MNEMOSYNC_FOO", ["MNEMOSYNC_URL", "MNEMOSYNC_REDIS_URL"], null],
  ["MNEMOSYNC_REDIS_ULR", ["MNEMOSYNC_URL", "MNEMOSYNC_REDIS_URL"], "MNEMOSYNC_REDIS_URL"],
  ["Batchsize", ["batchSize"], "batchSize"],
  ["--scoop", ["--json", "--scope"], "--scope"],
  ["x", [], null],
])("%s among %j: %s", (name, names, expected) => {
  expect(nearestName(name, names)).toBe(expected);
});
