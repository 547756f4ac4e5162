import { HttpHub } from "../../src/edge/transport/http-hub.ts";
import { LedgerHub } from "../../src/hub/ledger-hub.ts";
import { openService } from "../support/http-service.ts";
import { openWorld } from "../support/world.ts";
import { hubContract } from "./hub-contract.ts";

/** Goal: an edge may rely on the same promises, however it reaches its hub. Both transports meet real stores. */

hubContract("https", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const url = await service.app.listen({ host: "127.0.0.1", port: 0 });
  const apiKey = service.keys.writer;
  return { world: service.world, hub: (device) => new HttpHub({ url, apiKey, device, timeoutMs: 60_000 }) };
});

hubContract("postgres", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { syncIntervalMs: 100 } });
  world.sync.start(); // Its backlog brings the shared stores up to date.
  return { world, hub: (device) => new LedgerHub({ postgresUrl: world.databaseUrl, device }) };
});
