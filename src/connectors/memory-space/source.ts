import { DEFAULT_NAMESPACE } from "../../domain/keys.ts";
import { type FetchMedia, fetchMedia } from "../media/fetch-media.ts";
import type { MediaFolder } from "../media/media-folder.ts";
import type { MediaReference } from "../media/media-reference.ts";
import type { CompletedItem, ListingOutcome, Source, SourceItem } from "../run/source.ts";
import type { TimeWindow } from "../time-window.ts";
import type { MemorySpaceClient } from "./client.ts";
import { MEDIA_KINDS, type MediaKind } from "./item.ts";
import { type MappingOptions, memoryOf } from "./mapping.ts";

/** Memory Space as a source of memories. */
export class MemorySpaceSource implements Source {
  readonly #client: MemorySpaceClient;
  readonly #mapping: MappingOptions;
  readonly #media: MediaFolder | null;

  /** @param media where files are kept that `mapping.media` chooses; null: none is fetched. */
  constructor(client: MemorySpaceClient, mapping: MappingOptions = {}, media: MediaFolder | null = null) {
    this.#client = client;
    this.#mapping = media === null ? { ...mapping, media: undefined } : mapping;
    this.#media = media;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ping({ signal });
  }

  async *list({ from, to }: TimeWindow, signal: AbortSignal): AsyncGenerator<SourceItem, ListingOutcome> {
    const window = { ...(from !== null && { from }), ...(to !== null && { to }) };
    const items = this.#client.listItems({ ...window, signal });
    for (;;) {
      const step = await items.next();
      if (step.done) return step.value;
      const item = memoryOf(step.value, this.#client.context, this.#mapping);
      if (item !== null) yield item;
    }
  }

  /** An item that lost its text or its tag is still there: it is not missing. */
  async get(id: string, signal: AbortSignal): Promise<SourceItem | null> {
    const item = await this.#client.getItem(id, { signal });
    if (item === null) return null;
    const mapped = memoryOf(item, this.#client.context, { ...this.#mapping, tags: undefined });
    return mapped ?? { id, memoryId: id, fields: { content: "", memoryType: "none" }, hash: "" };
  }

  async complete(item: SourceItem, signal: AbortSignal): Promise<CompletedItem> {
    const folder = this.#media;
    if (folder === null) return { item, lost: null };
    const { namespace = DEFAULT_NAMESPACE } = item.fields;
    const holder = { namespace, memoryId: item.memoryId };
    const references: MediaReference[] = [];
    const lost: string[] = [];
    for (const kind of MEDIA_KINDS.filter((each) => item.files?.includes(each))) {
      const wanted = { itemId: item.id, kind, holder };
      const fetched = await fetchMedia(folder, wanted, this.#fetchOf(item.id, kind), this.#client.retry, signal);
      if ("lost" in fetched) lost.push(`${kind}: ${fetched.lost}`);
      else references.push(fetched);
    }
    const media = references.map(({ kind, contentType, bytes, sha256 }) => ({ kind, contentType, bytes, sha256 }));
    const metadata = { ...item.fields.metadata, ...(media.length > 0 && { media }) };
    return {
      item: { ...item, fields: { ...item.fields, metadata } },
      lost: lost.length === 0 ? null : lost.join("; "),
      fetched: { media: media.length, bytes: media.reduce((sum, { bytes }) => sum + bytes, 0) },
    };
  }

  #fetchOf(id: string, kind: MediaKind): FetchMedia {
    return async (read, options) =>
      kind === "audio"
        ? await this.#client.getAudio(id, read, options)
        : await this.#client.getImage(id, read, options);
  }
}
