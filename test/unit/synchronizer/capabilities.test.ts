import { expect, test } from "vitest";
import { capabilitiesOf } from "../../../src/synchronizer/capabilities.ts";

const up = { state: "healthy", checks: 1 } as const;
const impaired = { state: "degraded", checks: 1 } as const;
const down = { state: "down", checks: 3 } as const;
const unseen = { state: "down", checks: 0 } as const;

test("what the stores' health leaves possible", () => {
  const table = [
    { postgres: up, redis: up, faiss: up, degrade: "read write search", reject: "read write search" },
    { postgres: unseen, redis: unseen, faiss: unseen, degrade: "read write search", reject: "read write search" },
    { postgres: up, redis: impaired, faiss: up, degrade: "read write search", reject: "read write search" },
    { postgres: up, redis: down, faiss: up, degrade: "read write search", reject: "read search" },
    { postgres: up, redis: up, faiss: down, degrade: "read write", reject: "read" },
    { postgres: down, redis: up, faiss: up, degrade: "read search", reject: "read search" },
    { postgres: down, redis: up, faiss: down, degrade: "read", reject: "read" },
    { postgres: down, redis: down, faiss: up, degrade: "", reject: "" },
  ] as const;
  for (const { degrade, reject, ...health } of table) {
    for (const [onStoreDown, expected] of [["degrade", degrade] as const, ["reject", reject] as const]) {
      const can = capabilitiesOf(health, { onStoreDown, cache: "redis", vectorIndex: "faiss" });
      const named = (["read", "write", "search"] as const).filter((capability) => can[capability]).join(" ");
      expect({ ...health, onStoreDown, named }).toEqual({ ...health, onStoreDown, named: expected });
    }
  }
});

test("without a vector index there is no search, and nothing else is missing", () => {
  const expected = { read: true, write: true, search: false };
  expect(
    capabilitiesOf({ postgres: up, redis: up }, { onStoreDown: "reject", cache: "redis", vectorIndex: null }),
  ).toEqual(expected);
});
