import { setTimeout as pause } from "node:timers/promises";
import v8 from "node:v8";
import vm from "node:vm";
import postgres from "postgres";
import { expect, test } from "vitest";
import type { Sql } from "../../../src/drivers/postgres/postgres-access.ts";
import { withReleasedOrigins } from "../../../src/drivers/postgres/released-origins.ts";

/** Goal: a client that is not used any more leaves nothing in memory. Method: statements are made, and garbage is collected. */

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;

/** A client that never connects. Its statements are made at one place each, as those of the ledger are. */
function usedClient(): WeakRef<object> {
  const driver = postgres("postgres://nowhere") as Sql;
  const client = withReleasedOrigins(driver);
  void client`select ${client`1 as one`} from ${client("a table")}`;
  return new WeakRef(driver);
}

test("a client can be collected, although it was the first one to make a statement", async () => {
  const used = usedClient();
  for (let turn = 0; turn < 500 && used.deref() !== undefined; turn++) {
    await pause(10);
    collect();
  }
  expect(used.deref()).toBeUndefined();
});

test("the client is the driver's in all else", () => {
  const driver = postgres("postgres://nowhere") as Sql;
  const client = withReleasedOrigins(driver);
  expect(client.unsafe).toBe(driver.unsafe);
  expect(client.options.host).toEqual(["nowhere"]);
  expect(client.array).toBe(driver.array);
});
