import type { JsonObject } from "./json.ts";
import type { Privacy } from "./memory.ts";

/**
 * The fields of a memory, as a caller gives them. A field that is `undefined` counts as absent; an unknown field is an
 * error. Sizes are bytes of UTF-8. Texts must be well-formed Unicode without NUL characters.
 */
export interface MemoryFields<Metadata extends object = JsonObject> {
  /** The tenant. No read or search crosses one. 1 to 128 of the characters A-Z a-z 0-9 . _ - @default "default" */
  namespace?: string | undefined;
  /** Up to 1 MiB (option `contentBytesMax`). */
  content: string;
  /** A name of your choice, for example `episodic`. 1 to 128 bytes. */
  memoryType: string;
  /** From 0 to 1. @default 0.5 */
  importance?: number | undefined;
  /**
   * A JSON object of up to 256 KiB (option `metadataBytesMax`) and 100 levels. It is copied; `undefined` inside of it is
   * an error, since JSON has no such value. @default {}
   */
  metadata?: Metadata | undefined;
  /**
   * The vector, kept as float32: as many finite numbers as the index has dimensions. Absent or null: the embedder computes
   * it from `content` where one is set up; otherwise the memory has none, and no search finds it.
   */
  embedding?: readonly number[] | Float32Array | null | undefined;
  /** The model that made `embedding`. 1 to 256 bytes. An index that names its model accepts no other. */
  embeddingModel?: string | undefined;
  /**
   * The parts of the memory that may leave this deployment: all of it, all but content, embedding and metadata, or
   * nothing. @default "full"
   */
  privacy?: Privacy | undefined;
  /** From then on no read or search shows the memory. A text is ISO-8601 with an offset or Z. Absent or null: never. */
  expiresAt?: Date | string | null | undefined;
}

/** A memory as a caller gives it: its id, and its fields. */
export interface MemoryInput<Metadata extends object = JsonObject> extends MemoryFields<Metadata> {
  /** Names the memory within its namespace. 1 to 512 bytes (option `memoryIdBytesMax`). */
  memoryId: string;
}
