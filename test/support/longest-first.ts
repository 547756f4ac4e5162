import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files below `test/` that take longest, the longest first. They begin first: a long file that begins last leaves the other core idle.
 * In a clone where nothing has run yet vitest would go by the size of the files. A name that is missing here costs time and no more.
 */
export const LONGEST = [
  "integration/console.test.ts",
  "integration/faiss-main.test.ts",
  "fault/outage.test.ts",
  "fault/concurrency.test.ts",
  "fuzz/fuzz.test.ts",
  "integration/own-store.test.ts",
  "integration/console-operation.test.ts",
  "integration/repair-options.test.ts",
  "integration/http-contract.test.ts",
  "integration/http.test.ts",
  "integration/matrix-foreign.test.ts",
  "integration/faiss-recovery.test.ts",
  "integration/cli-output.test.ts",
  "integration/oldest-typescript.test.ts",
  "integration/faiss-torn.test.ts",
  "integration/examples.test.ts",
  "integration/cli-conflicts.test.ts",
] as const;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}`));
      return found === -1 ? LONGEST.length : found;
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}
