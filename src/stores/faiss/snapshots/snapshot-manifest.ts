import { hash } from "node:crypto";
import type { FeedCursor } from "../../../domain/change-source.ts";
import type { SnapshotExpectation } from "../protocol/messages.ts";

/** Raised by every change of the files' meaning. A snapshot of another format is set aside and the index rebuilt. */
export const SNAPSHOT_FORMAT_VERSION = 2;

export const MANIFEST_NAME = "manifest.json";
export const SLOTS_NAME = "slots.bin";

export interface SnapshotFile {
  readonly name: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** `manifest.json` of a snapshot: written last, so a folder without one is no snapshot. */
export interface SnapshotManifest extends SnapshotExpectation {
  /** Everything up to here in the ledger's feed is in the snapshot. */
  readonly cursor: FeedCursor;
  /** A mark of the ledger: where it has it, it has all that the snapshot holds. Absent: an older program, or no ledger. */
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
  /** Where in the file the index begins: small ones share a file, since a thousand of them took seconds to sync. */
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

/** Why a snapshot cannot be used. `mismatch`: it is sound, and of another shape or model than configured. */
export class SnapshotRejection extends Error {
  readonly kind: "set_aside" | "mismatch";
  constructor(kind: "set_aside" | "mismatch", reason: string) {
    super(reason);
    this.kind = kind;
  }
}

/** The text of `manifest.json`: the manifest, and the SHA-256 of its own text, since nothing else proves it. */
export function encodeManifest(manifest: SnapshotManifest): string {
  return JSON.stringify({ formatVersion: SNAPSHOT_FORMAT_VERSION, manifest, sha256: sha256(JSON.stringify(manifest)) });
}

/** The manifest in `text`. @throws {SnapshotRejection} It is none of ours, or not as it was written. */
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

/** The manifest in `text`, if it fits what is expected. @throws {SnapshotRejection} */
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
  // A model that is not stated says nothing about the vectors.
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

/** Names come out of a file and are joined to a path: nothing but our own pattern may pass. */
function isFileName(value: unknown): boolean {
  return value === SLOTS_NAME || /^(index|main)-\d+\.faiss$/.test(String(value));
}
