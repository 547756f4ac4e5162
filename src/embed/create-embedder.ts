import { ConfigurationError } from "../domain/errors.ts";
import type { Embedder } from "./embedder.ts";
import { HashingEmbedder } from "./hashing-embedder.ts";
import { HttpEmbedder } from "./http-embedder.ts";
import type { EmbeddingSettings } from "./settings.ts";

/**
 * The embedder that the settings name; null for none.
 * @param dimension of the index that the vectors are for; undefined: the settings say it.
 * @throws {ConfigurationError} The http provider lacks its URL or its model.
 */
export function createEmbedder(settings: EmbeddingSettings, dimension = settings.dimension): Embedder | null {
  const { provider, url, model, dimension: _, ...options } = settings;
  if (provider === "none") return null;
  if (provider === "hashing") return new HashingEmbedder({ dimension });
  if (url === undefined || model === undefined) {
    throw new ConfigurationError("embedding.provider is http: embedding.url and embedding.model are needed too");
  }
  return new HttpEmbedder({ ...options, url, model, dimension });
}
