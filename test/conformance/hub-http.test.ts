import { HttpHub } from "../../src/edge/transport/http-hub.ts";
import { openService } from "../support/http-service.ts";
import { hubContract } from "./hub-contract.ts";
import { onStores } from "./hub-under-test.ts";

/** Goal: an edge may rely on the same promises, however it reaches its hub: here by HTTP, with the edge's own client. */

hubContract("https", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const url = await service.app.listen({ host: "127.0.0.1", port: 0 });
  const apiKey = service.keys.writer;
  return { ...onStores(service.world), hub: (device) => new HttpHub({ url, apiKey, device, timeoutMs: 60_000 }) };
});
