import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";

/** A file of a memory, as its metadata have it under `media`. */
export interface MediaReference {
  readonly kind: string;
  /** As the service gave it, with its parameters. */
  readonly contentType: string;
  readonly bytes: number;
  /** Of the content, in hexadecimal: also its name in the folder. */
  readonly sha256: string;
}

const referenceSchema = lazily(() =>
  z.object({
    kind: z.string(),
    contentType: z.string(),
    bytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
);

/** Files that the metadata of a memory refer to. Anybody who writes memories can write them: a folder proves each. */
export function mediaOfMetadata(metadata: unknown): readonly MediaReference[] {
  const media = (metadata as { media?: unknown } | null)?.media;
  if (!Array.isArray(media)) return [];
  return media.flatMap((entry) => {
    const parsed = referenceSchema().safeParse(entry);
    return parsed.success ? [parsed.data] : [];
  });
}

/** What a file may be, by its kind. No SVG: it may hold scripts. */
const CONTENT_TYPES: Readonly<Record<string, RegExp>> = {
  audio: /^audio\/(aac|amr|basic|flac|m4a|mp3|mp4|mpeg|ogg|opus|wav|wave|webm|vnd\.wave|x-[a-z0-9-]+)$/,
  image: /^image\/(avif|gif|heic|heif|jpeg|jpg|png|webp)$/,
};

/** Whether a content type, with or without parameters, fits the kind of a file. */
export function isMediaType(kind: string, contentType: string): boolean {
  const [type = ""] = contentType.split(";");
  return CONTENT_TYPES[kind]?.test(type.trim().toLowerCase()) === true;
}
