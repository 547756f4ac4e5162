import type { Readable } from "node:stream";
import type { Sql } from "../connection/postgres-access.ts";
import type { MemoryKey } from "../memory/keys.ts";
import type { MemoryChange } from "../memory/memory.ts";
import { VectorBlock } from "../memory/vector-block.ts";
import { parseVector, type VersionVector } from "../memory/version-vector.ts";
import { modelOf, wideRow } from "./read-statements.ts";

/**
 * Current versions with their documents behind `after`, in the order of their keys, `limit` at most.
 *
 * As a binary COPY: the driver is given values as text otherwise, vectors as hexadecimal digits, which took both sides
 * twice the time. A COPY takes no parameters, so the key stands in its text.
 */
export async function listChanges(sql: Sql, after: MemoryKey | null, limit: number): Promise<MemoryChange[]> {
  const { namespace, memoryId } = after ?? { namespace: "", memoryId: "" };
  const stream = await sql`
    copy (
      select v.namespace, v.memory_id, v.version::float8, v.checksum, v.digest, v.version_vector::text,
             extract(epoch from v.modified_at)::float8 * 1000, extract(epoch from v.expires_at)::float8 * 1000,
             m.document::text, m.embedding
      from (
        select * from mnemosync.memory_versions
        where (namespace, memory_id) > (${textLiteral(sql, namespace)}, ${textLiteral(sql, memoryId)})
        order by namespace, memory_id
        limit ${sql.unsafe(String(Math.trunc(limit)))}
      ) v
      left join lateral ${wideRow(sql)} m on true
      order by v.namespace, v.memory_id
    ) to stdout (format binary)`.readable();
  const chunks = await chunksOf(stream);
  return new Page(Buffer.concat(chunks)).changes();
}

/** As digits: whatever the text is, there is nothing in it to escape. */
function textLiteral(sql: Sql, text: string) {
  return sql.unsafe(`convert_from(decode('${Buffer.from(text).toString("hex")}', 'hex'), 'UTF8')`);
}

function chunksOf(stream: Readable): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      // The driver stops its socket while a stream is full, until the stream asks for more: one that has ended meanwhile
      // never does, and everything on that connection would wait for ever.
      stream._read(0);
      resolve(chunks);
    });
  });
}

/** Signature, flags, and the length of an extension that there is none of. */
const HEADER_BYTES = 11 + 4 + 4;
const COLUMNS = 10;

/** Rows of `listChanges` in COPY's binary form: the number of columns, then each with its length before it; -1: null. */
class Page {
  readonly #bytes: Buffer;
  readonly #vectors: VectorBlock;
  #at = HEADER_BYTES;
  /** Neighbours mostly have the same one. */
  #vector: { readonly json: string; readonly value: VersionVector } = { json: "{}", value: {} };

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#vectors = new VectorBlock(bytes.byteLength >>> 2); // More than enough for all that are in there.
  }

  changes(): MemoryChange[] {
    const changes: MemoryChange[] = [];
    while (this.#columns() === COLUMNS) changes.push(this.#change());
    return changes;
  }

  #change(): MemoryChange {
    const namespace = this.#text() ?? "";
    const memoryId = this.#text() ?? "";
    const version = this.#number() ?? 0;
    const checksum = this.#text();
    const digest = this.#digits();
    const vector = this.#versionVector(this.#text() ?? "");
    const modifiedAt = Math.round(this.#number() ?? 0);
    const expiresAt = this.#number();
    const documentJson = this.#text();
    const embedding = this.#embedding();
    if (checksum === null || documentJson === null)
      return { kind: "tombstone", namespace, memoryId, version, modifiedAt };
    return {
      kind: "put",
      namespace,
      memoryId,
      version,
      checksum,
      digest,
      vector,
      modifiedAt,
      documentJson,
      embedding,
      embeddingModel: modelOf(documentJson),
      expiresAt: expiresAt === null ? null : Math.round(expiresAt),
    };
  }

  /** -1 at the end. */
  #columns(): number {
    const count = this.#bytes.readInt16BE(this.#at);
    this.#at += 2;
    return count;
  }

  /** Where the next value ends; null where there is none. It begins at `#at`. */
  #end(): number | null {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4;
    return length < 0 ? null : this.#at + length;
  }

  #text(): string | null {
    const end = this.#end();
    if (end === null) return null;
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end;
    return text;
  }

  #number(): number | null {
    const end = this.#end();
    if (end === null) return null;
    const number = this.#bytes.readDoubleBE(this.#at);
    this.#at = end;
    return number;
  }

  #digits(): string {
    const end = this.#end();
    if (end === null) return "";
    const digits = this.#bytes.toString("hex", this.#at, end);
    this.#at = end;
    return digits;
  }

  #embedding(): Float32Array | null {
    const end = this.#end();
    if (end === null) return null;
    const embedding = this.#vectors.copyBytes(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    return embedding;
  }

  #versionVector(json: string): VersionVector {
    if (json !== this.#vector.json) this.#vector = { json, value: parseVector(json) ?? {} };
    return this.#vector.value;
  }
}
