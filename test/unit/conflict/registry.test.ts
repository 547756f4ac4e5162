import { describe, expect, test } from "vitest";
import { decide } from "../../../src/conflict/decide.ts";
import { preferStore } from "../../../src/conflict/prefer-store.ts";
import { BUILT_IN_STRATEGIES, DEFAULT_STRATEGY, StrategyRegistry } from "../../../src/conflict/registry.ts";
import type { ConflictStrategy } from "../../../src/conflict/strategy.ts";
import { ConfigurationError } from "../../../src/domain/errors.ts";
import type { StoreId } from "../../../src/domain/store-id.ts";
import { base, candidate, conflict, document } from "./conflicts.ts";

const named = (name: unknown): ConflictStrategy =>
  ({ name, resolve: () => ({ action: "pending" }) }) as unknown as ConflictStrategy;

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  throw new Error("was not refused");
}

describe("the registry", () => {
  test("has the built-in strategies under their own names", () => {
    const registry = new StrategyRegistry();
    expect(registry.names()).toEqual([...BUILT_IN_STRATEGIES].sort());
    for (const name of BUILT_IN_STRATEGIES) expect(registry.get(name).name).toBe(name);
    expect(registry.get(DEFAULT_STRATEGY).name).toBe("latest_wins");
  });

  test("gives back what was registered", () => {
    const registry = new StrategyRegistry();
    const strategy = named("by_length");
    registry.register(strategy);
    expect(registry.get("by_length")).toBe(strategy);
    expect(registry.names()).toContain("by_length");
  });

  test("names the nearest and all for a name that it does not know", () => {
    const registry = new StrategyRegistry();
    registry.register(named("by_length"));
    expect(refusal(() => registry.get("latest-win"))).toBe(
      'unknown conflict strategy "latest-win"; did you mean latest_wins? ' +
        "There are by_length, latest_wins, manual, merge, prefer_store, version_vector",
    );
    expect(refusal(() => registry.get("x".repeat(100_000))).length).toBeLessThan(250);
    expect(refusal(() => registry.get("constructor"))).toContain("unknown");
  });

  test.each(["", "Latest", "9lives", "by-length", "a b", "x".repeat(65), "naïve", 7, undefined])(
    "refuses a strategy called %j",
    (name) => {
      expect(refusal(() => new StrategyRegistry().register(named(name)))).toContain("small letter");
    },
  );

  test("refuses a name that is taken, and keeps the first", () => {
    const registry = new StrategyRegistry();
    const first = registry.get("merge");
    expect(refusal(() => registry.register(named("merge")))).toContain("merge is there already");
    expect(registry.get("merge")).toBe(first);
  });

  test("refuses a strategy without a function to call", () => {
    const broken = { name: "broken" } as ConflictStrategy;
    expect(refusal(() => new StrategyRegistry().register(broken))).toContain("broken has no function resolve");
  });

  test("sets prefer_store and version_vector up as its options say", async () => {
    const registry = new StrategyRegistry({ preferStoreOrder: ["faiss", "redis"], versionVectorFallback: "merge" });
    const given = conflict(
      [
        candidate("postgres", { document: document({ content: "ledger" }), modifiedAt: 9_000 }),
        candidate("redis", { document: document({ importance: 1 }) }),
      ],
      { base: base() },
    );
    expect(await decide(registry.get("prefer_store"), given)).toMatchObject({ action: "choose", store: "redis" });
    expect(await decide(registry.get("version_vector"), given)).toMatchObject({
      action: "write",
      document: document({ content: "ledger", importance: 1 }),
    });
  });

  test("refuses a fallback that does not exist", () => {
    expect(refusal(() => new StrategyRegistry({ versionVectorFallback: "version_vector" as "merge" }))).toContain(
      "unknown conflict strategy",
    );
  });
});

test.each<[unknown, string]>([
  [[], "at least one store"],
  ["redis", "at least one store"],
  [["redis", "My SQL"], '"My SQL" is no store'],
  [["redis", "redis"], "names redis twice"],
])("prefer_store refuses the order %j", (order, message) => {
  expect(refusal(() => preferStore(order as StoreId[]))).toContain(message);
  expect(refusal(() => new StrategyRegistry({ preferStoreOrder: order as StoreId[] }))).toContain(message);
});

test("the registry refuses an order that names a store of no deployment of its own", () => {
  const stores = ["postgres", "redis"];
  expect(refusal(() => new StrategyRegistry({ stores, preferStoreOrder: ["redis", "mysql"] }))).toBe(
    'prefer_store: "mysql" is no store; there are postgres, redis',
  );
  expect(new StrategyRegistry({ stores, preferStoreOrder: ["redis"] }).get("prefer_store").name).toBe("prefer_store");
});
