import { isObject } from "../../domain/json.ts";
import { parseTime } from "./times.ts";

/** The files that an item may have. */
export const MEDIA_KINDS = ["audio", "image"] as const;
export type MediaKind = (typeof MEDIA_KINDS)[number];

/** An item of Memory Space, read from any of the shapes that its servers answer in. */
export interface MemorySpaceItem {
  readonly id: string;
  /** Its kind, as the service names it; null where it does not. */
  readonly type: string | null;
  /** What was said or written; empty while there is nothing. */
  readonly transcript: string;
  readonly description: string;
  /** States of the service's own work, e.g. `done`; null where it gives none. */
  readonly transcriptStatus: string | null;
  readonly reviewStatus: string | null;
  /** Degrees; null without a place, which the service also writes as `0, 0`. */
  readonly place: { readonly latitude: number; readonly longitude: number } | null;
  readonly tags: readonly string[];
  /** Milliseconds since 1970; null where the service gives none that can be read. It is the time of capture, and may change. */
  readonly createdAt: number | null;
  /** The same; many servers give none. */
  readonly updatedAt: number | null;
  /** The files that the service says it has. One that it has may be a second of silence. */
  readonly media: readonly MediaKind[];
}

/** Fields that hold an item's text, in the order in which they count. `data` holds the same ones inside. */
const TEXT_FIELDS = ["transcript", "transcript_text", "body", "content", "text"] as const;

/**
 * Reads one entry of a listing, or the answer of GET.
 * @returns null where it is no item: no object, or one without an id, such as an error with status 200.
 */
export function parseItem(value: unknown): MemorySpaceItem | null {
  if (!isObject(value)) return null;
  const id = idOf(value);
  if (id === null) return null;
  return {
    id,
    type: textOf(value.type),
    transcript: transcriptOf(value),
    description: textOf(value.description) ?? "",
    transcriptStatus: textOf(value.transcript_status),
    reviewStatus: textOf(value.review_status),
    place: placeOf(value),
    tags: tagsOf(value.tags),
    createdAt: parseTime(value.created_at),
    updatedAt: parseTime(value.updated_at),
    media: mediaOf(value),
  };
}

function idOf({ id, doc_id: documentId }: Record<string, unknown>): string | null {
  for (const value of [id, documentId]) {
    // No id of a memory: PostgreSQL keeps neither NUL nor half a character.
    if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) continue;
    if (typeof value === "string" && value !== "") return value;
    if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  }
  return null;
}

function transcriptOf(value: Record<string, unknown>): string {
  const data = isObject(value.data) ? value.data : {};
  for (const source of [value, data]) {
    for (const field of TEXT_FIELDS) {
      const text = textOf(source[field]);
      if (text !== null) return text;
    }
  }
  return "";
}

/** A text that says something; null for blank ones and other types. */
function textOf(value: unknown): string | null {
  return typeof value === "string" && value.trim() !== "" ? value : null;
}

function tagsOf(value: unknown): string[] {
  const found = Array.isArray(value) ? value : typeof value === "string" ? value.split(",") : [];
  const tags = found.filter((tag) => typeof tag === "string").map((tag) => tag.trim());
  return [...new Set(tags.filter((tag) => tag !== ""))];
}

function placeOf({
  location_lat: latitude,
  location_lon: longitude,
}: Record<string, unknown>): MemorySpaceItem["place"] {
  if (typeof latitude !== "number" || typeof longitude !== "number") return null;
  if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) return null;
  return latitude === 0 && longitude === 0 ? null : { latitude, longitude };
}

function mediaOf(value: Record<string, unknown>): MediaKind[] {
  const files: Record<MediaKind, unknown> = { audio: value.gcs_uri, image: value.gcs_uri_img };
  return MEDIA_KINDS.filter((kind) => value[kind] === true || textOf(files[kind]) !== null);
}
