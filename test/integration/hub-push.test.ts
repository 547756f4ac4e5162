import { expect, test } from "vitest";
import { openService } from "../support/http-service.ts";
import { injectedHub, TestDevice } from "../support/hub-client.ts";

test("a first look", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const a = new TestDevice(injectedHub(service, "a", service.keys.writer), "a");
  const id = await a.hub.identify(new AbortController().signal);
  a.epoch = id.epoch;
  const put = a.put("m", 0);
  expect(await a.one(put)).toEqual({ status: "applied", version: 1 });
  expect(await a.one(put)).toEqual({ status: "duplicate", version: 1 });
  expect(await a.pull()).toMatchObject([{ kind: "put", memoryId: "m", version: 1, device: "a", key: put.key }]);
});
