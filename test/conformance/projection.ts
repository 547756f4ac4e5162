import { afterAll, beforeAll, describe, test } from "vitest";
import { conformanceCases, type OpenedStore } from "../../src/testing/index.ts";

/** A store that all cases of a file share. */
export interface SharedStore extends OpenedStore {
  /** Takes everything out. */
  clear(): Promise<void>;
}

/**
 * The contract of `src/stores/projection.ts`, as a test per case of `mnemosync/testing`. Opens the store once: a process of
 * FAISS or a cluster for each case would take minutes.
 */
export function describeProjection(name: string, open: () => Promise<SharedStore>): void {
  describe(`a projection (${name})`, () => {
    let shared: SharedStore;
    beforeAll(async () => {
      shared = await open();
    });
    afterAll(async () => {
      await shared?.close();
    });
    const cases = conformanceCases(async () => {
      await shared.clear();
      return { ...shared, close: async () => undefined };
    });
    for (const group of new Set(cases.map((each) => each.group))) {
      describe(group, () => {
        for (const { name, run } of cases.filter((each) => each.group === group)) test(name, run);
      });
    }
  });
}
