import { hash } from "node:crypto";
import type { FeedCursor } from "../../../domain/change-source.ts";
import type { SnapshotExpectation } from "../protocol/messages.ts";

/** Incremented by every format change. A snapshot of another format is set aside, and the index rebuilt. */
export const SNAPSHOT_FORMAT_VERSION = 2;

export const MANIFEST_NAME = "manifest.json";
export const SLOTS_NAME = "slots.bin";

export interface SnapshotFile {
  readonly name: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** `manifest.json` of a snapshot. It is written last, so a folder without it is no snapshot. */
export interface SnapshotManifest extends SnapshotExpectation {
  /** Feed position: the snapshot contains every change up to it. */
  readonly cursor: FeedCursor;
  /** A ledger that has this mark has every change in the snapshot. Absent: an older program wrote it, or without a ledger. */
  readonly mark?: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly files: readonly SnapshotFile[];
  /** In the order of `slots.bin`. */
  readonly namespaces: readonly SnapshotNamespace[];
}

export interface SnapshotNamespace {
  readonly name: string;
  readonly live: number;
  /** The main index, whose rows are the namespace's first slots; null without one. */
  readonly main: SnapshotMain | null;
  /** Flat indexes whose rows make up the other slots, in order. */
  readonly segments: readonly SnapshotSegment[];
}

export interface SnapshotSegment {
  readonly file: string;
  /** Offset of the index in its file. Small indexes share a file, because syncing a thousand files took seconds. */
  readonly offset: number;
  readonly rows: number;
}

export interface SnapshotMain {
  readonly file: string;
  /** FAISS's factory string. */
  readonly factory: string;
  /** A flat file with its exact vectors. */
  readonly vectors: string;
  readonly rows: number;
}

/** Why a snapshot is unusable. `mismatch`: it is sound, but its shape or model differs from the configuration. */
export class SnapshotRejection extends Error {
  readonly kind: "set_aside" | "mismatch";
  constructor(kind: "set_aside" | "mismatch", reason: string) {
    super(reason);
    this.kind = kind;
  }
}

/** The text of `manifest.json`: the manifest with the SHA-256 of its own text, because nothing else proves it. */
export function encodeManifest(manifest: SnapshotManifest): string {
  return JSON.stringify({ formatVersion: SNAPSHOT_FORMAT_VERSION, manifest, sha256: sha256(JSON.stringify(manifest)) });
}

/** Decodes and verifies a manifest. @throws {SnapshotRejection} The format is unknown, or the text was altered. */
export function decodeManifest(text: string): SnapshotManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SnapshotRejection("set_aside", "the manifest is not JSON");
  }
  const version = isRecord(value) ? value.formatVersion : undefined;
  if (version !== SNAPSHOT_FORMAT_VERSION) {
    throw new SnapshotRejection(
      "set_aside",
      `format ${String(version)}, and this program reads ${SNAPSHOT_FORMAT_VERSION}`,
    );
  }
  const { manifest, sha256: expected } = value as Record<string, unknown>;
  if (sha256(JSON.stringify(manifest) ?? "") !== expected) {
    throw new SnapshotRejection("set_aside", "the manifest does not have the checksum that it says");
  }
  if (!isManifest(manifest))
    throw new SnapshotRejection("set_aside", "the manifest lacks a field or holds a wrong one");
  return manifest;
}

/** Decodes a manifest that must meet the expectation. @throws {SnapshotRejection} */
export function parseManifest(text: string, expected: SnapshotExpectation): SnapshotManifest {
  const manifest = decodeManifest(text);
  const differences = shapeDifferences(manifest, expected);
  if (differences.length > 0) throw new SnapshotRejection("mismatch", differences.join(", "));
  if (manifest.epoch !== expected.epoch) {
    throw new SnapshotRejection(
      "set_aside",
      `epoch ${manifest.epoch}, and the ledger's is ${expected.epoch} (it was restored)`,
    );
  }
  return manifest;
}

function shapeDifferences(found: SnapshotManifest, expected: SnapshotExpectation): string[] {
  const differences: string[] = [];
  for (const field of ["dimension", "metric"] as const) {
    if (found[field] !== expected[field]) {
      differences.push(`it has ${field} ${found[field]}, and ${expected[field]} is configured`);
    }
  }
  // Without a stated model the vectors may be of any model.
  if (found.model !== null && expected.model !== null && found.model !== expected.model) {
    differences.push(`it is of model ${found.model}, and ${expected.model} is configured`);
  }
  return differences;
}

function isManifest(value: unknown): value is SnapshotManifest {
  if (!isRecord(value) || !isRecord(value.cursor)) return false;
  const { epoch, model, dimension, metric, cursor, mark, createdAt, files, namespaces } = value;
  return (
    typeof epoch === "string" &&
    (model === null || typeof model === "string") &&
    isCount(dimension) &&
    typeof metric === "string" &&
    /^\d+$/.test(String(cursor.xid)) &&
    /^\d+$/.test(String(cursor.seq)) &&
    (mark === undefined || typeof mark === "string") &&
    isCount(createdAt) &&
    isArrayOf(
      files,
      (file) => isFileName(file.name) && isCount(file.bytes) && /^[0-9a-f]{64}$/.test(String(file.sha256)),
    ) &&
    isArrayOf(
      namespaces,
      (namespace) =>
        typeof namespace.name === "string" &&
        isCount(namespace.live) &&
        (namespace.main === null || isMain(namespace.main)) &&
        isArrayOf(
          namespace.segments,
          (segment) => isFileName(segment.file) && isCount(segment.offset) && isCount(segment.rows),
        ),
    )
  );
}

function isMain(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { file, factory, vectors, rows } = value;
  return isFileName(file) && isFileName(vectors) && typeof factory === "string" && isCount(rows);
}

function sha256(text: string): string {
  return hash("sha256", text, "hex");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isArrayOf(value: unknown, test: (item: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isRecord(item) && test(item));
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** File names from a manifest become part of a path, so only the program's own name pattern is valid. */
function isFileName(value: unknown): boolean {
  return value === SLOTS_NAME || /^(index|main)-\d+\.faiss$/.test(String(value));
}
