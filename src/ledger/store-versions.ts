import type { StoreId } from "../domain/store-id.ts";

/** Placeholder of the version in a template. No store id contains it, since ids are lower-case. */
export const VERSION_PLACEHOLDER = "#V#";

/**
 * `store_versions` of a new row, as JSON with `VERSION_PLACEHOLDER` where the version belongs: the stores that hold it
 * once its transaction is published.
 */
export interface StoreVersionTemplates {
  /** Of a memory that has an embedding, or had one before it was deleted. */
  readonly withEmbedding: string;
  readonly withoutEmbedding: string;
}

/** @param stores ids of all stores that a node writes; `documents`: those that keep memories without an embedding too. */
export function storeVersionTemplates(
  stores: readonly StoreId[],
  documents: readonly StoreId[],
): StoreVersionTemplates {
  return { withEmbedding: template(stores), withoutEmbedding: template(documents) };
}

/** The JSON of one row. */
export function storeVersionsJson(templates: StoreVersionTemplates, hasEmbedding: boolean, version: number): string {
  const chosen = hasEmbedding ? templates.withEmbedding : templates.withoutEmbedding;
  return chosen.replaceAll(VERSION_PLACEHOLDER, String(version));
}

function template(stores: readonly StoreId[]): string {
  return `{${stores.map((store) => `${JSON.stringify(store)}:${VERSION_PLACEHOLDER}`).join(",")}}`;
}
