import { expect, test } from "vitest";
import type { ScanPage } from "../../src/stores/projection.ts";
import { conformanceCases } from "../../src/testing/conformance.ts";
import { InMemoryProjection } from "../support/in-memory-projection.ts";

/** A store may return the entries of a scan in another order each time, as Redis does while it rehashes. */
class ReorderingProjection extends InMemoryProjection {
  #scans = 0;

  override async scan(...parameters: Parameters<InMemoryProjection["scan"]>): Promise<ScanPage> {
    const page = await super.scan(...parameters);
    return this.#scans++ % 2 === 0 ? page : { ...page, entries: [...page.entries].reverse() };
  }
}

test("a prepare case passes when the order of a scan changes", async () => {
  const open = async () => ({ projection: new ReorderingProjection("redis"), close: async () => undefined });
  const found = conformanceCases(open).find(({ name }) => name === "changes nothing that a reader could see");
  expect(found).toBeDefined();
  await expect(found?.run()).resolves.toBeUndefined();
});
