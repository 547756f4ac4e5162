import { expect, test } from "vitest";
import { checkEnvironment } from "../../../src/config/environment.ts";

test("a variable of ours that is not read is refused, with the nearest name; those of connectors and tests are none of ours", () => {
  expect(() => checkEnvironment({ MNEMOSYNC_REDIS_ULR: "redis://host" })).toThrow(
    "unknown environment variable MNEMOSYNC_REDIS_ULR; did you mean MNEMOSYNC_REDIS_URL?",
  );
  expect(() => checkEnvironment({ MNEMOSYNC_BROWSER_REQUIRED: "yes" })).toThrow("mnemosync config lists the settings");
  checkEnvironment({
    MNEMOSYNC_REDIS_URL: "redis://host",
    MNEMOSYNC_CONNECTOR_SPACE_KEY: "key",
    MNEMOSYNC_TEST_BROWSER_REQUIRED: "yes",
    MNEMOSYNC_PORT: "tcp://10.0.0.1:8420",
    PATH: "/bin",
  });
});
