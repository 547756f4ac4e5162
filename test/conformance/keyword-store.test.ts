import { StoreUnavailableError } from "mnemosync/stores";
import { conformanceCases, put, runConformance, tombstone } from "mnemosync/testing";
import { describe, expect, test } from "vitest";
import { KeywordStore } from "../../examples/keyword-store.ts";

const open = (scope: "shared" | "node") => async () => ({
  projection: new KeywordStore(scope),
  close: async () => undefined,
});
const soon = (): AbortSignal => AbortSignal.timeout(90_000);

/** The tests that docs/stores.md shows: each case opens a store of its own. */
describe.each(["shared", "node"] as const)("the keyword store, scope %s", (scope) => {
  for (const { group, name, run } of conformanceCases(open(scope))) test(`${group} ${name}`, run);
});

test("the keyword store finds the live memories whose content has a word", async () => {
  const store = new KeywordStore();
  await store.publish([put("a", 1, { content: "Green tea" }), put("b", 1, { content: "tea, black" })], soon());
  expect(store.find("default", "TEA")).toEqual(["a", "b"]);
  await store.publish([put("a", 2, { content: "coffee" }), tombstone("b", 2)], soon());
  expect(store.find("default", "tea")).toEqual([]);
  expect(store.find("default", "coffee")).toEqual(["a"]);
  expect(store.find("other", "coffee")).toEqual([]);
});

test("the suite run as a whole reports each case, and goes on after a failure", async () => {
  const results = await runConformance(open("shared"));
  expect(results).toHaveLength(67);
  expect(results.every(({ error }) => error === null)).toBe(true);

  /** Forgets the version of what was deleted, so that a late publish resurrects it. */
  class Forgetful extends KeywordStore {
    override async publish(changes: Parameters<KeywordStore["publish"]>[0], signal: AbortSignal) {
      const answers = await super.publish(changes, signal);
      for (const [key, { state }] of this.entries) if (state === "tombstone") this.entries.delete(key);
      return answers;
    }
  }
  const told: string[] = [];
  const forgetful = async () => ({ projection: new Forgetful(), close: async () => undefined });
  const failure = await runConformance(forgetful, { onResult: ({ name }) => told.push(name) }).catch((error) => error);
  expect(failure.name).toBe("ConformanceError");
  expect(told).toHaveLength(67);
  expect(failure.failures.map(({ name }: { name: string }) => name)).toContain(
    "comes late after a tombstone and does not resurrect the memory",
  );
  expect(failure.message).toContain("publish comes late after a tombstone");
});

test("a case closes the store that it opened, also when it fails", async () => {
  let opened = 0;
  let closed = 0;
  class Down extends KeywordStore {
    protected override async answer(): Promise<void> {
      throw new StoreUnavailableError(this.id, "unplugged");
    }
  }
  const failure = await runConformance(async () => {
    opened++;
    return { projection: new Down(), close: async () => void closed++ };
  }).catch((error) => error);
  expect(failure.failures.length).toBeGreaterThan(50);
  expect([opened, closed]).toEqual([67, 67]);
});
