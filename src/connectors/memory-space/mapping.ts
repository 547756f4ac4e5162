import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { JsonObject } from "../../domain/json.ts";
import type { MemoryFields } from "../../domain/memory-input.ts";

import type { SourceItem } from "../run/source.ts";
import type { MediaKind, MemorySpaceItem } from "./item.ts";

export interface MappingOptions {
  /** Where the memories go. @default "default" */
  readonly namespace?: string | undefined;
  /** @default "episodic" */
  readonly memoryType?: string | undefined;
  /** 0 … 1. @default that of a memory */
  readonly importance?: number | undefined;
  /** Precedes the item's id in that of the memory, so that items of two sources in one namespace stay apart. @default "memory-space/" */
  readonly idPrefix?: string | undefined;
  /** Items with at least one of these tags are imported. @default all */
  readonly tags?: readonly string[] | undefined;
  /** Files of items that are fetched. @default none */
  readonly media?: MediaChoice | undefined;
}

export interface MediaChoice {
  readonly kinds: readonly MediaKind[];
  /** Of items with at least one of these tags. @default of all that are imported */
  readonly tags?: readonly string[] | undefined;
}

/** The mapping's version: it is part of each item's hash, so that a changed mapping imports all items again. */
const MAPPING = 1;

/**
 * The memory of an item: its transcript, else its description, is the content; time, tags, place and states are metadata.
 * @param context whose item it is. @returns null where the item has no text yet, or none of the chosen tags.
 */
export function memoryOf(item: MemorySpaceItem, context: string, options: MappingOptions = {}): SourceItem | null {
  const { namespace, memoryType = "episodic", importance, idPrefix = "memory-space/", tags, media } = options;
  const content = item.transcript === "" ? item.description : item.transcript;
  if (content === "") return null;
  if (!hasOneOf(item.tags, tags)) return null;
  const fields: MemoryFields = {
    ...(namespace !== undefined && { namespace }),
    ...(importance !== undefined && { importance }),
    ...{ content: withoutNul(content), memoryType, metadata: metadataOf(item, context) },
  };
  const files = filesOf(item, media);
  // A file that appears later is news. Without files the hash is as it was before there were any.
  const said = { mapping: MAPPING, ...fields, ...(files.length > 0 && { files }) };
  const hash = createHash("sha256")
    .update(canonicalize(said) as string)
    .digest("base64url");
  return { id: item.id, memoryId: `${idPrefix}${item.id}`, fields, hash, ...(files.length > 0 && { files }) };
}

function filesOf(item: MemorySpaceItem, media: MediaChoice | undefined): MediaKind[] {
  if (media === undefined || !hasOneOf(item.tags, media.tags)) return [];
  return item.media.filter((kind) => media.kinds.includes(kind));
}

function hasOneOf(tags: readonly string[], wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || wanted.some((tag) => tags.includes(tag));
}

function metadataOf(item: MemorySpaceItem, context: string): JsonObject {
  const { type, transcript, description, createdAt, updatedAt, place, tags, transcriptStatus, reviewStatus } = item;
  const optional = {
    type,
    description: transcript === "" || description === "" ? null : withoutNul(description),
    createdAt: createdAt === null ? null : new Date(createdAt).toISOString(),
    updatedAt: updatedAt === null ? null : new Date(updatedAt).toISOString(),
    place: place === null ? null : { ...place },
    transcriptStatus,
    reviewStatus,
  };
  const given = Object.entries(optional).filter(([, value]) => value !== null);
  return { source: { service: "memory-space", context, id: item.id }, ...Object.fromEntries(given), tags: [...tags] };
}

/** NUL cannot be kept, and half a character neither. */
function withoutNul(text: string): string {
  return text.replaceAll("\0", "").toWellFormed();
}
