import { describe, expect, test } from "vitest";
import { KeywordStore } from "../../../examples/keyword-store.ts";
import { StoreRegistry } from "../../../src/stores/registry.ts";
import type { VectorShape } from "../../../src/stores/traits.ts";

function shaped(id: string, vectorShape?: VectorShape) {
  const store = new KeywordStore();
  const traits = { ...store.traits, ...(vectorShape && { vectorShape }) };
  return Object.assign(store, { id, traits });
}

describe("the shape of vectors that fits every store", () => {
  test("is what each of them prescribes, together", () => {
    const stores = [
      shaped("plain"),
      shaped("narrow", { dimension: 8, metric: "l2", model: null }),
      shaped("named", { model: "m" }),
      shaped("cosine", { dimension: 8, metric: "cosine" }),
    ];
    expect(new StoreRegistry(stores).vectorShape).toEqual({ dimension: 8, model: "m", metric: "cosine" });
    expect(new StoreRegistry([shaped("plain")]).vectorShape).toEqual({});
    expect(new StoreRegistry([]).vectorShape).toEqual({});
  });

  test.each([
    ["dimension", { dimension: 8 }, { dimension: 16 }, /"one" and "two".*dimension 8 and 16/],
    ["model", { model: "a" }, { model: "b" }, /"one" and "two".*model "a" and "b"/],
  ] as const)("does not exist where they disagree in the %s, which is said at once", (_, one, two, message) => {
    expect(() => new StoreRegistry([shaped("one", one), shaped("two", two)])).toThrow(message);
  });
});
