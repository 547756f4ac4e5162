import { expect, test } from "vitest";
import type { ExportedVersion, ExportOptions, ExportRecord } from "../../src/index.ts";
import { openService } from "../support/http-service.ts";

const isVersion = (record: ExportRecord): record is ExportedVersion => "memoryId" in record;

test("an export with a filter has the memories that pass now, with their history, and can be resumed", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const { sync } = service.world;
  const put = (memoryId: string, memoryType: string) =>
    sync.syncMemory(memoryId, { content: `${memoryId} ${memoryType}`, memoryType });
  for (const id of ["a", "b", "c", "d"]) await put(id, "old");
  await put("b", "new");
  await put("c", "new");
  await put("c", "newer");
  await put("d", "new");
  await sync.delete("d");
  const read = async (options: ExportOptions) => {
    const records: string[] = [];
    for await (const record of sync.exportMemories(options)) {
      if (isVersion(record)) records.push(`${record.memoryId}@${record.version}`);
    }
    return records;
  };
  const where = { memoryType: { in: ["new", "newer"] } };
  expect(await read({ where })).toEqual(["b@2", "c@3"]);
  expect(await read({ where, history: true })).toEqual(["b@2", "b@1", "c@3", "c@2", "c@1"]);
  expect(await read({ where: { memoryType: { eq: "old" } }, history: true })).toEqual(["a@1"]);
  expect(await read({ where: {} })).toEqual(["a@1", "b@2", "c@3"]);
  expect(await read({})).toEqual(["a@1", "b@2", "c@3", "d@3"]);
  // In the midst of a memory's history.
  const after = { namespace: "default", memoryId: "c", version: 3 };
  expect(await read({ where, history: true, after })).toEqual(["c@2", "c@1"]);
  const { memories } = await sync.list({});
  const createdAt = { gt: memories[1]?.createdAt ?? 0 };
  expect(await read({ where: { createdAt } })).toEqual(["c@3"]);
  expect(() => sync.exportMemories({ where: { type: {} } as never })).toThrow("where.type: is no field");
  const query = `where=${encodeURIComponent(JSON.stringify(where))}`;
  const reply = await service.request("GET", `/v1/namespaces/default/export?${query}`);
  const lines = reply.body
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as ExportRecord);
  expect(lines.filter(isVersion).map(({ memoryId }) => memoryId)).toEqual(["b", "c"]);
});
