import { describe } from "vitest";
import { describeFailure } from "./projection-failure.ts";
import { describePublish } from "./projection-publish.ts";
import { describeReplace } from "./projection-replace.ts";
import { describeScan } from "./projection-scan.ts";
import { type OpenProjection, ProjectionUnderTest } from "./projection-suite.ts";
import { describeValues } from "./projection-values.ts";

/** The contract of `src/stores/projection.ts`, for any adapter. `open` is called once; its projection is shared. */
export function describeProjection(name: string, open: () => Promise<OpenProjection>): void {
  describe(`a projection (${name})`, () => {
    const subject = new ProjectionUnderTest(open);
    describePublish(subject);
    describeValues(subject);
    describeScan(subject);
    describeReplace(subject);
    describeFailure(subject);
  });
}
