import type { WorldOptions } from "./world.ts";

/** Stores without a vector index: for what concerns sessions and not searches. */
export const withoutIndex: WorldOptions = { faiss: false };

/** The arguments of `remember`. */
export function memory(number: number): { memoryId: string; content: string } {
  return { memoryId: `mem-${number}`, content: `note ${number}` };
}
