import { expect, test } from "vitest";
import { createLog } from "../../src/runtime/log.ts";
import { MEMORY, openService } from "../support/http-service.ts";

const PATH = "/v1/namespaces/default/memories/m1";

test("the access log names the key of each request by its id, and shows neither the key nor the memory", async (t) => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line) => lines.push(line) });
  const service = await openService(t, { world: { faiss: false }, log });
  await service.request("PUT", PATH, { key: service.keys.writer, body: MEMORY });
  await service.request("GET", PATH, { key: null });
  await service.request("GET", PATH, { key: `${service.keys.reader}x` });
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "http.request");
  expect(requests.map(({ method, status, keyId }) => ({ method, status, keyId }))).toEqual([
    { method: "PUT", status: 201, keyId: "writer" },
    { method: "GET", status: 401, keyId: null },
    { method: "GET", status: 401, keyId: null },
  ]);
  const text = lines.join("");
  for (const secret of [...Object.values(service.keys), MEMORY.content]) expect(text).not.toContain(secret);
});
