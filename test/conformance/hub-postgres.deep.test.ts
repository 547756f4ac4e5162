import { postgresHub } from "../../src/edge/transport/postgres-hub.ts";
import { openWorld } from "../support/world.ts";
import { hubContract } from "./hub-contract.ts";

/** Goal: an edge may rely on the same promises, however it reaches its hub: here straight at the ledger. */

hubContract("postgres", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { syncIntervalMs: 100 } });
  world.sync.start(); // Its backlog brings the shared stores up to date.
  return { world, hub: (device) => postgresHub({ postgresUrl: world.databaseUrl, device, timeoutMs: 60_000 }) };
});
