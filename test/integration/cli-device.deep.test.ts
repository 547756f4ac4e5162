import { expect, test, vi } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { LedgerHub } from "../../src/hub/ledger-hub.ts";
import { commandLineOf } from "../support/command-line.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { openWorld } from "../support/world.ts";

// Each command starts the program.
vi.setConfig({ testTimeout: 240_000 });

test("device: lists, shows, revokes and admits, under both of its names", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const line = commandLineOf(world);
  const hub = new LedgerHub({ postgresUrl: world.databaseUrl, device: "laptop", deviceName: "my laptop" });
  t.onTestFinished(() => hub.close());
  const device = new TestDevice(hub, "laptop");
  await hub.identify(NEVER_ABORTED);
  await device.one(device.put("m", 0));
  const run = async (schema: string, ...args: string[]) => {
    const { code, stdout, stderr } = await line.run([...args, "--json"]);
    expect([code, stderr], args.join(" ")).toEqual([0, expect.anything()]);
    return DOCUMENTS[schema]?.parse(JSON.parse(stdout));
  };
  const laptop = { device: "laptop", name: "my laptop", owner: "postgres", state: "active", unsettled: 1 };
  expect(await run("devices", "devices")).toMatchObject({ devices: [laptop] });
  expect(await run("device", "device", "show", "laptop")).toMatchObject(laptop);
  expect(await run("device", "device", "revoke", "laptop")).toMatchObject({ state: "revoked" });
  await expect(device.one(device.put("m2", 0))).rejects.toMatchObject({ code: "DEVICE_REVOKED" });
  expect(await run("device", "device", "admit", "laptop")).toMatchObject({ state: "active" });
  const table = await line.run(["device", "list"]);
  expect(table.stdout).toMatch(/active\s+laptop\s+my laptop\s+postgres/);
  expect(await line.run(["device", "show", "nowhere"])).toMatchObject({ code: 1 });
});
