import { embeddingBytes } from "../../domain/checksum.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import { NAMESPACE_PATTERN } from "../../domain/schema.ts";
import { isVersion, vectorJson } from "../../domain/version-vector.ts";
import type { MalformedEntry, Replacement, StoredEntry } from "../projection.ts";
import type { ScriptArgument, ScriptReply } from "./script-runner.ts";
import { ENTRY_FORMAT } from "./scripts.ts";

/** Fields of a hash, in the order in which `READ` returns them. */
const ENTRY_FIELDS = [
  "version",
  "checksum",
  "deleted",
  "modified_at",
  "format",
  "data",
  "embedding",
  "vector",
  "digest",
].map((name) => Buffer.from(name));

/** Encodes keys and changes as script arguments, and decodes replies into entries. */
export class RedisCodec {
  /** The part of every key before the namespace. */
  readonly keyPrefix: string;
  readonly #storeEmbedding: boolean;

  /** @param prefix of every key. @param storeEmbedding whether hashes hold the vector too. */
  constructor(prefix: string, storeEmbedding: boolean) {
    this.keyPrefix = `${prefix}:memory:`;
    this.#storeEmbedding = storeEmbedding;
  }

  /** A glob pattern for all memory keys, with the prefix escaped. */
  get pattern(): string {
    return `${this.keyPrefix.replace(/[\\*?[\]]/g, "\\$&")}*`;
  }

  redisKey(key: MemoryKey): string {
    return key.namespace === "" ? this.keyPrefix + key.memoryId : `${this.keyPrefix}${key.namespace}:${key.memoryId}`;
  }

  /** Parses a key. A key without a namespace gets the empty one, which no memory can have. */
  parseKey(redisKey: string): MemoryKey {
    const rest = redisKey.slice(this.keyPrefix.length);
    const colon = rest.indexOf(":");
    const namespace = rest.slice(0, colon);
    if (colon < 0 || colon === rest.length - 1 || !NAMESPACE_PATTERN.test(namespace))
      return { namespace: "", memoryId: rest };
    return { namespace, memoryId: rest.slice(colon + 1) };
  }

  changeArguments(change: MemoryChange): ScriptArgument[] {
    if (change.kind === "tombstone") return ["tombstone", change.version, "", "", change.modifiedAt, "", "", "", ""];
    return [
      "put",
      change.version,
      change.checksum,
      change.digest,
      change.modifiedAt,
      vectorJson(change.versionVector),
      change.documentJson,
      this.#storeEmbedding && change.embedding !== null ? embeddingBytes(change.embedding) : "",
      change.expiresAt ?? "",
    ];
  }

  replacementArguments({ found, change }: Replacement): ScriptArgument[] {
    const state = isOtherFormat(found) ? "other" : (found?.state ?? "none");
    const version = found?.state === "live" || found?.state === "tombstone" ? found.version : "";
    const checksum = found?.state === "live" ? found.checksum : "";
    const write = change === null ? ["remove", "", "", "", "", "", "", "", ""] : this.changeArguments(change);
    return [state, version, checksum, ...write];
  }

  /** Decodes a reply of HGETALL. */
  entryOfFields(key: MemoryKey, reply: readonly ScriptReply[]): StoredEntry | null {
    if (reply.length === 0) return null;
    const held: ScriptReply[] = [null, null, null, null, null, null, null, null, null];
    for (let at = 0; at < reply.length; at += 2) {
      const place = placeOf(reply[at] as Buffer);
      if (place >= 0) held[place] = reply[at + 1] ?? null;
    }
    return this.entry(key, held, true);
  }

  /** Decodes a reply of `READ` or `SCAN`. */
  entry(key: MemoryKey, reply: ScriptReply | undefined, withData: boolean): StoredEntry | null {
    if (reply === null || reply === undefined) return null;
    if (!Array.isArray(reply)) return { ...key, state: "malformed", reason: String(reply) };
    const format = text(reply[4]) ?? ENTRY_FORMAT;
    // First of all: whatever else another layout holds has a meaning that this program does not know.
    if (format !== ENTRY_FORMAT) return ofFormat(key, format);
    if (key.namespace === "") return { ...key, state: "malformed", reason: "the key names no namespace" };
    const version = Number(text(reply[0]));
    if (!isVersion(version)) {
      const reason =
        reply[0] === null ? "has no version" : `has version ${JSON.stringify(text(reply[0])?.slice(0, 40))}`;
      return { ...key, state: "malformed", reason };
    }
    if (reply[2] !== null) return { ...key, state: "tombstone", version };
    const checksum = text(reply[1]);
    if (checksum === null) return { ...key, state: "malformed", reason: "has no checksum" };
    const time = Number.parseInt(text(reply[3]) ?? "", 10);
    const modifiedAt = Number.isSafeInteger(time) ? time : null;
    const { namespace, memoryId } = key;
    if (!withData) return { namespace, memoryId, state: "live", version, checksum, modifiedAt };
    const data = {
      documentJson: bytes(reply[5]),
      embedding: bytes(reply[6]),
      versionVector: text(reply[7]),
      digest: text(reply[8]),
    };
    return { namespace, memoryId, state: "live", version, checksum, modifiedAt, data };
  }
}

/** Whether the entry is of another layout: not one of this program's. */
export function isOtherFormat(entry: StoredEntry | null): boolean {
  return entry?.state === "malformed" && entry.otherFormat !== undefined;
}

/** A number names a layout. Anything else in the field is damage. */
function ofFormat(key: MemoryKey, format: string): MalformedEntry {
  const shown = format.slice(0, 40);
  if (!/^[1-9][0-9]*$/.test(format))
    return { ...key, state: "malformed", reason: `has format ${JSON.stringify(shown)}` };
  const reason = `an entry of format ${shown}, not ${ENTRY_FORMAT}`;
  return { ...key, state: "malformed", reason, otherFormat: shown };
}

/** Compares names as bytes: converting each name to a string would take as long as all the rest. */
function placeOf(name: Buffer): number {
  for (let place = 0; place < ENTRY_FIELDS.length; place++) {
    const field = ENTRY_FIELDS[place] as Buffer;
    if (field.length === name.length && field[0] === name[0] && field.equals(name)) return place;
  }
  return -1;
}

function text(reply: ScriptReply | undefined): string | null {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return reply === null || reply === undefined ? null : String(reply);
}

function bytes(reply: ScriptReply | undefined): Buffer | null {
  return Buffer.isBuffer(reply) ? reply : null;
}
