import type { PutChange } from "./memory.ts";

/** Why the index can't hold this memory's vector, or must not: of another dimension or model. Null when it fits. */
export function foreignReason(
  index: { readonly dimension?: number | undefined; readonly model?: string | null | undefined },
  change: Pick<PutChange, "embedding" | "embeddingModel">,
): string | null {
  if (change.embedding === null) return null;
  const { dimension, model } = index;
  if (dimension !== undefined && change.embedding.length !== dimension) {
    return `its vector has ${change.embedding.length} numbers, and the index holds vectors of ${dimension}`;
  }
  if (model != null && change.embeddingModel !== null && change.embeddingModel !== model) {
    return `its vector is of ${JSON.stringify(change.embeddingModel)}, the index's of ${JSON.stringify(model)}`;
  }
  return null;
}
