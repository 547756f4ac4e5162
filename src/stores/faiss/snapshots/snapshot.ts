import { readFileSync, rmSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FeedCursor } from "../../../domain/change-source.ts";
import type { FaissIndex } from "../host/faiss.ts";
import type { FlatSpace } from "../host/flat-space.ts";
import { MemoryIndex } from "../host/memory-index.ts";
import { NamespaceIndex } from "../host/namespace-index.ts";
import { readMain } from "../host/rebuilder.ts";
import { VectorSegments } from "../host/vector-segments.ts";
import { FLAT_HEADER_BYTES, flatFileBytes, writeFlatHeader } from "../protocol/flat-block.ts";
import type { MainConfiguration, SnapshotExpectation } from "../protocol/messages.ts";
import { HeldFile } from "./held-file.ts";
import { encodeSlots, SlotsReader } from "./slots-file.ts";
import {
  readChunks,
  readManifestText,
  type SnapshotFolder,
  type SnapshotWriter,
  verifyFile,
} from "./snapshot-folder.ts";
import {
  encodeManifest,
  parseManifest,
  SLOTS_NAME,
  type SnapshotMain,
  type SnapshotManifest,
  SnapshotRejection,
} from "./snapshot-manifest.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Metadata of a snapshot. */
export interface SnapshotHead extends SnapshotExpectation {
  readonly cursor: FeedCursor;
  /** See `SnapshotManifest.mark`; null: none. */
  readonly mark: string | null;
  readonly createdAt: number;
}

/** The source of a snapshot file: rows of flat indexes, or the bytes of a held file. */
type Image =
  | {
      readonly file: string;
      readonly isShared: boolean;
      readonly parts: { readonly index: FaissIndex; readonly rows: number }[];
      bytes: number;
    }
  | { readonly file: string; readonly held: HeldFile };

/** Segments up to this size share files. */
const SHARED_BYTES_MAX = 1024 * 1024;
/** Maximum size of a shared file. */
const SHARED_FILE_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Writes a consistent snapshot of `index` as of the call. It copies the slot tables before the first await. Indexes are
 * append-only (compaction makes new indexes), so the first `rows` of each do not change while the host serves requests
 * between the files.
 */
export async function writeSnapshot(
  folder: SnapshotFolder,
  index: MemoryIndex,
  head: SnapshotHead,
): Promise<{ sequence: number; bytes: number }> {
  const slots = index.namespaces.map(encodeSlots);
  const images: Image[] = [];
  const hold = (held: HeldFile): string => {
    const file = `main-${images.length}.faiss`;
    images.push({ file, held: held.retain() });
    return file;
  };
  const namespaces = index.namespaces.map(({ namespace, slots: table, vectors: { main, segments } }) => ({
    name: namespace,
    live: table.liveCount,
    main: main && { file: hold(main.file), factory: main.factory, vectors: hold(main.vectors), rows: main.rows },
    segments: segments.map(({ index: flat, rows }) => {
      const bytes = flatFileBytes(index.space.shape, rows);
      const image = bytes <= SHARED_BYTES_MAX ? sharedImage(images, bytes) : newImage(images, false);
      const segment = { file: image.file, offset: image.bytes, rows };
      image.parts.push({ index: flat, rows });
      image.bytes += bytes;
      return segment;
    }),
  }));
  try {
    let bytes = 0;
    const sequence = await folder.create(async (writer) => {
      await writer.write(SLOTS_NAME, slots);
      for (const image of images) await writeImage(writer, index.space, image);
      for (const file of writer.files) bytes += file.bytes;
      const { epoch, model, dimension, metric, cursor, mark, createdAt } = head;
      const manifest: SnapshotManifest = {
        epoch,
        model,
        dimension,
        metric,
        cursor,
        ...(mark !== null && { mark }),
        createdAt,
        files: [...writer.files],
        namespaces,
      };
      return encodeManifest(manifest);
    });
    return { sequence, bytes };
  } finally {
    for (const image of images) if ("held" in image) image.held.release();
  }
}

type FlatImage = Extract<Image, { parts: unknown }>;

function newImage(images: Image[], isShared: boolean): FlatImage {
  const image = { file: `index-${images.length}.faiss`, isShared, parts: [], bytes: 0 };
  images.push(image);
  return image;
}

/** The current shared file of small segments, or a new one. */
function sharedImage(images: Image[], bytes: number): FlatImage {
  const last = images.findLast((image): image is FlatImage => "parts" in image && image.isShared);
  return last !== undefined && last.bytes + bytes <= SHARED_FILE_BYTES_MAX ? last : newImage(images, true);
}

async function writeImage(writer: SnapshotWriter, space: FlatSpace, image: Image): Promise<void> {
  let chunks: AsyncGenerator<Uint8Array>;
  if ("held" in image) chunks = heldChunks(image.held);
  else chunks = image.isShared ? sharedChunks(space, image.parts) : flatChunks(space, image.parts);
  await writer.write(image.file, chunks);
}

/** `flatChunks` for many small parts at a time: one turn of the event loop per part took seconds for a thousand parts. */
async function* sharedChunks(space: FlatSpace, parts: FlatImage["parts"]): AsyncGenerator<Uint8Array> {
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  for (const { index, rows } of parts) {
    const scratch = space.writeScratch(index);
    let bytes: Buffer;
    try {
      // The index may have grown since the slot tables were copied.
      bytes = readFileSync(scratch).subarray(0, flatFileBytes(space.shape, rows));
    } finally {
      rmSync(scratch, { force: true });
    }
    writeFlatHeader(bytes, space.shape, rows);
    gathered.push(bytes);
    gatheredBytes += bytes.byteLength;
    if (gatheredBytes < CHUNK_BYTES) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    gatheredBytes = 0;
  }
  if (gatheredBytes > 0) yield Buffer.concat(gathered);
}

/** Yields chunks, with a turn of the event loop between them. */
async function* heldChunks(held: HeldFile): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < held.bytes; at += CHUNK_BYTES) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, held.bytes - at));
    held.readAt(chunk, at);
    yield chunk;
  }
}

/** FAISS writes to a scratch file with enough room, and Node copies it: a full disk then throws instead of aborting. */
async function* flatChunks(space: FlatSpace, parts: FlatImage["parts"]): AsyncGenerator<Uint8Array> {
  for (const { index, rows } of parts) {
    const header = Buffer.alloc(FLAT_HEADER_BYTES);
    writeFlatHeader(header, space.shape, rows);
    yield header;
    const scratch = space.writeScratch(index);
    try {
      yield* readChunks(scratch, FLAT_HEADER_BYTES, flatFileBytes(space.shape, rows));
    } finally {
      await rm(scratch, { force: true });
    }
  }
}

/**
 * Loads the index of a snapshot. Every file's checksum is verified before the file is read, unless the owner has just
 * verified it. @throws {SnapshotRejection} The snapshot is unreadable, torn, or does not meet the expectation.
 */
export async function loadSnapshot(
  path: string,
  expected: SnapshotExpectation,
  space: FlatSpace,
  configuration: MainConfiguration,
  { proven = false } = {},
): Promise<{ index: MemoryIndex; manifest: SnapshotManifest }> {
  const manifest = parseManifest(await readManifestText(path), expected);
  const names = new Map(manifest.files.map((file) => [file.name, file.bytes]));
  if (!names.has(SLOTS_NAME)) throw new SnapshotRejection("set_aside", `${SLOTS_NAME} is missing`);
  if (!proven) for (const file of manifest.files) await verifyFile(path, file);
  const index = new MemoryIndex(space);
  const shared = new SharedFile(path);
  try {
    const reader = new SlotsReader(await readFile(join(path, SLOTS_NAME)));
    for (const { name, main, segments, live } of manifest.namespaces) {
      const vectors = new VectorSegments(space);
      for (const file of [...(main === null ? [] : [main.file, main.vectors]), ...segments.map((part) => part.file)]) {
        if (!names.has(file)) throw new Error(`${file} is missing`);
      }
      if (main !== null) await loadMain(path, main, vectors, space, configuration);
      for (const { file, offset, rows } of segments) {
        const bytes = flatFileBytes(space.shape, rows);
        if (names.get(file) === bytes) vectors.adopt(space.readFile(join(path, file), rows), rows);
        else vectors.adopt(space.readBytes(shared.read(file, offset, bytes), rows), rows);
        // Each file is read in one call; between files the host answers pings.
        if (bytes > SHARED_BYTES_MAX) await nextTurn();
      }
      const loaded = new NamespaceIndex(name, space, { vectors, ...reader.next() });
      const { slots } = loaded;
      if (slots.length !== vectors.rows || slots.liveCount !== live) {
        throw new Error(`namespace ${name} has ${slots.length} slots for ${vectors.rows} vectors`);
      }
      for (let slot = 0; slot < slots.length; slot++) if (!slots.isLive(slot)) vectors.markDead(slot);
      index.add(loaded);
    }
    if (!reader.atEnd) throw new Error(`${SLOTS_NAME} has bytes after its last table`);
    return { index, manifest };
  } catch (error) {
    index.drop();
    if (error instanceof SnapshotRejection) throw error;
    throw new SnapshotRejection("set_aside", `its files do not fit together: ${(error as Error).message}`);
  } finally {
    shared.close();
  }
}

/** Reads parts of files. Keeps the last file open, because consecutive parts are mostly in the same file. */
class SharedFile {
  readonly #folder: string;
  #name: string | null = null;
  #file: HeldFile | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(name: string, offset: number, length: number): Buffer {
    if (this.#file === null || this.#name !== name) {
      this.close();
      this.#file = HeldFile.open(join(this.#folder, name));
      this.#name = name;
    }
    if (offset + length > this.#file.bytes) throw new Error(`${name} ends before ${offset + length}`);
    const bytes = Buffer.allocUnsafe(length);
    this.#file.readAt(bytes, offset);
    return bytes;
  }

  close(): void {
    this.#file?.release();
    this.#file = null;
  }
}

async function loadMain(
  path: string,
  main: SnapshotMain,
  vectors: VectorSegments,
  space: FlatSpace,
  configuration: MainConfiguration,
): Promise<void> {
  if (main.factory !== configuration.factory) {
    // The configuration names another index type: load only the exact vectors. A background rebuild makes the new index.
    vectors.adopt(space.readFile(join(path, main.vectors), main.rows), main.rows);
    return;
  }
  const held = HeldFile.open(join(path, main.vectors));
  try {
    const from = { path: join(path, main.file), take: false, vectors: held, rows: main.rows, factory: main.factory };
    vectors.main = readMain(space, from, configuration);
  } catch (error) {
    held.release();
    throw error;
  }
  await nextTurn();
}
