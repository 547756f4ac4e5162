import type { ChangeEvent } from "../../src/index.ts";

/** What a reader keeps of an event, in the order in which it was told. */
export interface ToldChange {
  readonly key: string;
  readonly kind: ChangeEvent["kind"];
  readonly version: number;
  readonly content: string | null;
  readonly cursor: string;
}

export function toldChange(event: ChangeEvent): ToldChange {
  const { namespace, memoryId, kind, version, cursor } = event;
  const content = event.kind === "put" ? (event.memory.content ?? null) : null;
  return { key: `${namespace}/${memoryId}`, kind, version, content, cursor };
}
