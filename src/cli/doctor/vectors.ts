import type { DimensionSample } from "../../ledger/embedding-statements.ts";
import { type Diagnosis, ok, warning } from "./diagnosis.ts";

/** Whether the ledger's vectors fit the index as it is configured. @param samples the most frequent length first. */
export function diagnoseDimension(samples: readonly DimensionSample[], dimension: number): Diagnosis {
  const check = "faiss.dimension";
  const [most] = samples;
  if (most === undefined) return ok(check, `${dimension}; the ledger has no vector yet`);
  if (most.dimension === dimension) return ok(check, `${dimension}, as the ledger's vectors`);
  return warning(
    check,
    `${dimension}, and the ledger's vectors have ${most.dimension} numbers`,
    "correct faiss.dimension, or have the memories embedded anew (mnemosync repair, with an embedder): until then no search finds them",
  );
}
