import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FeedCursor } from "../../change-source.ts";
import { FLAT_HEADER_BYTES, flatFileBytes, writeFlatHeader } from "../flat-block.ts";
import type { SnapshotExpectation } from "../messages.ts";
import {
  parseManifest,
  SLOTS_NAME,
  SNAPSHOT_FORMAT_VERSION,
  type SnapshotManifest,
  SnapshotRejection,
} from "../snapshot-manifest.ts";
import type { FaissIndex } from "./faiss.ts";
import type { FlatSpace } from "./flat-space.ts";
import { MemoryIndex } from "./memory-index.ts";
import { NamespaceIndex } from "./namespace-index.ts";
import { encodeSlots, SlotsReader } from "./slots-file.ts";
import {
  readChunks,
  readManifestText,
  type SnapshotFolder,
  type SnapshotWriter,
  verifyFile,
} from "./snapshot-folder.ts";
import { VectorSegments } from "./vector-segments.ts";

/** What a snapshot says about itself besides its contents. */
export interface SnapshotHead extends SnapshotExpectation {
  readonly cursor: FeedCursor;
  readonly createdAt: number;
}

interface SegmentImage {
  readonly file: string;
  readonly index: FaissIndex;
  readonly rows: number;
}

/**
 * Writes all of `index` as it is at the time of the call. The slot tables are copied before the first pause; rows of
 * an index are only ever appended (compaction makes new indexes), so the first `rows` of each stay what they are while
 * requests go on between the files.
 */
export async function writeSnapshot(
  folder: SnapshotFolder,
  index: MemoryIndex,
  head: SnapshotHead,
): Promise<{ sequence: number; bytes: number }> {
  const slots = index.namespaces.map(encodeSlots);
  const segments: SegmentImage[] = [];
  const namespaces = index.namespaces.map((namespace) => ({
    name: namespace.namespace,
    live: namespace.slots.liveCount,
    segments: namespace.vectors.segments.map((segment) => {
      const file = `index-${segments.length}.faiss`;
      segments.push({ file, index: segment.index, rows: segment.rows });
      return { file, rows: segment.rows };
    }),
  }));
  let bytes = 0;
  const sequence = await folder.create(async (writer) => {
    await writer.write(SLOTS_NAME, slots);
    for (const segment of segments) await writeSegment(writer, index.space, segment);
    for (const file of writer.files) bytes += file.bytes;
    const { epoch, model, dimension, metric, cursor, createdAt } = head;
    const manifest: SnapshotManifest = {
      formatVersion: SNAPSHOT_FORMAT_VERSION,
      epoch,
      model,
      dimension,
      metric,
      cursor,
      createdAt,
      files: [...writer.files],
      namespaces,
    };
    return JSON.stringify(manifest);
  });
  return { sequence, bytes };
}

/** FAISS writes to scratch, where there is room, and Node copies: a full disk then is an exception and no abort. */
async function writeSegment(
  writer: SnapshotWriter,
  space: FlatSpace,
  { file, index, rows }: SegmentImage,
): Promise<void> {
  const scratch = space.writeScratch(index);
  try {
    await writer.write(file, firstRows(scratch, space, rows));
  } finally {
    await rm(scratch, { force: true });
  }
}

async function* firstRows(path: string, space: FlatSpace, rows: number): AsyncGenerator<Uint8Array> {
  const header = Buffer.alloc(FLAT_HEADER_BYTES);
  writeFlatHeader(header, space.shape, rows);
  yield header;
  yield* readChunks(path, FLAT_HEADER_BYTES, flatFileBytes(space.shape, rows));
}

/**
 * The index in a snapshot, every file proven by its checksum before it is read.
 * @throws {SnapshotRejection} It is unreadable, torn, or does not fit what is expected.
 */
export async function loadSnapshot(
  path: string,
  expected: SnapshotExpectation,
  space: FlatSpace,
): Promise<{ index: MemoryIndex; manifest: SnapshotManifest }> {
  const manifest = parseManifest(await readManifestText(path), expected);
  const names = new Set(manifest.files.map((file) => file.name));
  for (const file of manifest.files) await verifyFile(path, file);
  if (!names.has(SLOTS_NAME)) throw new SnapshotRejection("set_aside", `${SLOTS_NAME} is missing`);
  try {
    const reader = new SlotsReader(await readFile(join(path, SLOTS_NAME)));
    const index = new MemoryIndex(space);
    for (const { name, segments, live } of manifest.namespaces) {
      const vectors = new VectorSegments(space);
      for (const { file, rows } of segments) {
        if (!names.has(file)) throw new Error(`${file} is missing`);
        vectors.adopt(space.readFile(join(path, file), rows), rows);
        // Files are read in one go each; between them the host answers pings.
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
      const tables = reader.next();
      if (tables.slots.length !== vectors.rows || tables.slots.liveCount !== live) {
        throw new Error(`namespace ${name} has ${tables.slots.length} slots for ${vectors.rows} vectors`);
      }
      for (let slot = 0; slot < tables.slots.length; slot++) if (!tables.slots.isLive(slot)) vectors.markDead(slot);
      index.add(new NamespaceIndex(name, space, { vectors, ...tables }));
    }
    if (!reader.atEnd) throw new Error(`${SLOTS_NAME} goes on behind its end`);
    return { index, manifest };
  } catch (error) {
    throw new SnapshotRejection("set_aside", `its files do not fit together: ${(error as Error).message}`);
  }
}
