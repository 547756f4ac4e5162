import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a live slot of the table says. */
export interface EditableSlot {
  readonly memoryId: string;
  version: number;
  /** Hex. */
  checksum: string;
  bucket: number;
  digestHigh: number;
  digestLow: number;
}

interface Manifest {
  readonly dimension: number;
  readonly cursor: { readonly xid: string; readonly seq: string };
  readonly files: { name: string; bytes: number; sha256: string }[];
  readonly namespaces: { name: string; live: number; main: unknown; segments: { file: string; rows: number }[] }[];
}

/** The slots of one namespace; null: a dead one, whose row is nobody's. */
interface Table {
  readonly slots: (EditableSlot | null)[];
  readonly tombstones: Map<string, { version: number; bucket: number }>;
  /** One row per slot. */
  readonly rows: Buffer[];
  readonly slotOf: Map<string, number>;
}

interface ManifestFile {
  formatVersion: number;
  manifest: Manifest;
  sha256: string;
}

const HEADER_BYTES = 45;

/**
 * Edits the newest snapshot of a closed index where it lies, as a faulty disk, a backup of another day or another program
 * would. Reads and writes the documented file formats by itself: nothing of the program that is being tested is used.
 */
export class SnapshotEditor {
  readonly folder: string;
  readonly #formatVersion: number;
  readonly #manifest: Manifest;
  readonly #tables = new Map<string, Table>();
  /** The 45 bytes before the rows of a segment file. */
  readonly #headers = new Map<string, Buffer>();

  constructor(directory: string) {
    const snapshots = join(directory, "snapshots");
    const newest = readdirSync(snapshots)
      .filter((name) => /^\d+$/.test(name))
      .sort()
      .at(-1);
    if (newest === undefined) throw new Error(`${snapshots} holds no snapshot`);
    this.folder = join(snapshots, newest);
    const file = JSON.parse(readFileSync(join(this.folder, "manifest.json"), "utf8")) as ManifestFile;
    this.#formatVersion = file.formatVersion;
    this.#manifest = file.manifest;
    const reader = new Reader(readFileSync(join(this.folder, "slots.bin")));
    for (const namespace of this.#manifest.namespaces) {
      if (namespace.main !== null) throw new Error("an index with a main index is not what this editor knows");
      const rows = namespace.segments.flatMap((segment) => this.#readRows(segment));
      this.#tables.set(namespace.name, readTable(reader, rows));
    }
  }

  /** Everything up to here in the ledger's feed is in the snapshot: what is edited behind it would be put right. */
  get cursor(): Manifest["cursor"] {
    return this.#manifest.cursor;
  }

  /** Live slots and their rows, by memory id. */
  entries(namespace = "default"): Map<string, { slot: EditableSlot; row: Buffer }> {
    const table = this.#table(namespace);
    return new Map(
      [...table.slotOf].map(([id, at]) => [
        id,
        { slot: table.slots[at] as EditableSlot, row: table.rows[at] as Buffer },
      ]),
    );
  }

  /** @param keepDigest as if the number alone had rotted, rather than been written by a program. */
  setVersion(memoryId: string, version: number, keepDigest = false): void {
    const slot = this.#slot(memoryId);
    slot.version = version;
    if (!keepDigest) sealDigest(slot);
  }

  setChecksum(memoryId: string, checksum: string): void {
    const slot = this.#slot(memoryId);
    slot.checksum = checksum;
    sealDigest(slot);
  }

  /** @param bit of the row, from its first byte's lowest on. */
  flipBit(memoryId: string, bit: number): void {
    const table = this.#table("default");
    const row = table.rows[table.slotOf.get(memoryId) as number] as Buffer;
    row[bit >>> 3]! ^= 1 << (bit & 7);
  }

  /** Marks the memory's slot dead. @param buriedAt leaves a tombstone of that version in its place. */
  kill(memoryId: string, buriedAt: number | null = null): void {
    const table = this.#table("default");
    const at = table.slotOf.get(memoryId);
    if (at === undefined) throw new Error(`no live slot for ${memoryId}`);
    const slot = table.slots[at] as EditableSlot;
    table.slots[at] = null;
    table.slotOf.delete(memoryId);
    if (buriedAt !== null) table.tombstones.set(memoryId, { version: buriedAt, bucket: slot.bucket });
  }

  /** Gives a memory that has none a slot: a dead one marked alive where there is one, else a new one. */
  add(memoryId: string, version: number, checksum: string, vector: Buffer): void {
    const table = this.#table("default");
    if (table.slotOf.has(memoryId)) throw new Error(`${memoryId} has a live slot`);
    const bucket = sha256(`default\u0000${memoryId}`).readUInt16BE(0);
    const slot = { memoryId, version, checksum, bucket, digestHigh: 0, digestLow: 0 };
    sealDigest(slot);
    const dead = table.slots.indexOf(null);
    const at = dead === -1 ? table.slots.length : dead;
    table.slots[at] = slot;
    table.rows[at] = Buffer.from(unit(vector));
    table.slotOf.set(memoryId, at);
    table.tombstones.delete(memoryId);
  }

  /** Writes everything back. @param sealed false: the manifest goes on saying what the files were before. */
  save(sealed = true): void {
    const slots = Buffer.concat(this.#manifest.namespaces.map(({ name }) => writeTable(this.#table(name))));
    this.#write("slots.bin", slots);
    for (const namespace of this.#manifest.namespaces) {
      const table = this.#table(namespace.name);
      namespace.live = table.slotOf.size;
      let at = 0;
      for (const [index, segment] of namespace.segments.entries()) {
        const isLast = index === namespace.segments.length - 1;
        const rows = table.rows.slice(at, isLast ? undefined : at + segment.rows);
        at += rows.length;
        segment.rows = rows.length;
        const header = Buffer.from(this.#headers.get(segment.file) as Buffer);
        header.writeBigInt64LE(BigInt(rows.length), 8);
        header.writeBigUInt64LE(BigInt(rows.length * this.#manifest.dimension), 37);
        this.#write(segment.file, Buffer.concat([header, ...rows]));
      }
    }
    if (!sealed) return;
    const [manifest, seal] = [this.#manifest, sha256(JSON.stringify(this.#manifest)).toString("hex")];
    const file: ManifestFile = { formatVersion: this.#formatVersion, manifest, sha256: seal };
    writeFileSync(join(this.folder, "manifest.json"), JSON.stringify(file));
  }

  #write(name: string, bytes: Buffer): void {
    writeFileSync(join(this.folder, name), bytes);
    const file = this.#manifest.files.find((entry) => entry.name === name);
    if (file === undefined) throw new Error(`${name} is not in the manifest`);
    file.bytes = bytes.length;
    file.sha256 = sha256(bytes).toString("hex");
  }

  #readRows({ file, rows }: { file: string; rows: number }): Buffer[] {
    const bytes = readFileSync(join(this.folder, file));
    const rowBytes = this.#manifest.dimension * 4;
    if (bytes.length !== HEADER_BYTES + rows * rowBytes) throw new Error(`${file} has ${bytes.length} bytes`);
    this.#headers.set(file, bytes.subarray(0, HEADER_BYTES));
    return Array.from({ length: rows }, (_, row) => {
      const start = HEADER_BYTES + row * rowBytes;
      return bytes.subarray(start, start + rowBytes);
    });
  }

  #table(namespace: string): Table {
    const table = this.#tables.get(namespace);
    if (table === undefined) throw new Error(`the snapshot has no namespace ${namespace}`);
    return table;
  }

  #slot(memoryId: string): EditableSlot {
    const table = this.#table("default");
    const slot = table.slots[table.slotOf.get(memoryId) ?? -1];
    if (slot == null) throw new Error(`no live slot for ${memoryId}`);
    return slot;
  }
}

function sealDigest(slot: EditableSlot): void {
  const digest = sha256(`default\u0000${slot.memoryId}\u0000${slot.version}\u0000${slot.checksum}`);
  slot.digestHigh = digest.readUInt32BE(0);
  slot.digestLow = digest.readUInt32BE(4);
}

function sha256(bytes: string | Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** The vector of length 1 in the same direction, as an index by cosine holds it. */
export function unit(vector: Buffer): Buffer {
  const floats = Array.from({ length: vector.length / 4 }, (_, index) => vector.readFloatLE(index * 4));
  const length = Math.sqrt(floats.reduce((sum, float) => sum + float * float, 0));
  const bytes = Buffer.alloc(vector.length);
  for (const [index, float] of floats.entries()) bytes.writeFloatLE(float / length, index * 4);
  return bytes;
}

/** See `slots.bin` in the source: four numbers, the columns of the slots, then the tombstones. */
function readTable(reader: Reader, rows: readonly Buffer[]): Table {
  const length = reader.take(4).readUInt32LE(0);
  reader.take(4); // How many have digests already; the others are computed as they are needed.
  const buried = reader.take(4).readUInt32LE(0);
  const idBytes = reader.take(8).readDoubleLE(0);
  if (length !== rows.length) throw new Error(`${length} slots for ${rows.length} rows`);
  const [versions, idEnds] = [reader.take(length * 8), reader.take(length * 8)];
  const [high, low, buckets] = [reader.take(length * 4), reader.take(length * 4), reader.take(length * 2)];
  const [checksums, dead] = [reader.take(length * 32), reader.take((length + 7) >>> 3)];
  const ids = reader.take(idBytes);
  const table: Table = { slots: [], tombstones: new Map(), rows: [...rows], slotOf: new Map() };
  for (let at = 0; at < length; at++) {
    if ((dead[at >>> 3]! & (1 << (at & 7))) !== 0) {
      table.slots.push(null);
      continue;
    }
    const memoryId = ids.toString(
      "utf8",
      at === 0 ? 0 : idEnds.readDoubleLE((at - 1) * 8),
      idEnds.readDoubleLE(at * 8),
    );
    const slot = {
      memoryId,
      version: versions.readDoubleLE(at * 8),
      checksum: checksums.toString("hex", at * 32, at * 32 + 32),
      bucket: buckets.readUInt16LE(at * 2),
      digestHigh: high.readUInt32LE(at * 4),
      digestLow: low.readUInt32LE(at * 4),
    };
    if (slot.digestHigh === 0 && slot.digestLow === 0) {
      slot.bucket = sha256(`default\u0000${memoryId}`).readUInt16BE(0);
      sealDigest(slot);
    }
    table.slots.push(slot);
    table.slotOf.set(memoryId, at);
  }
  for (let at = 0; at < buried; at++) {
    const memoryId = reader.text();
    const version = reader.take(8).readDoubleLE(0);
    table.tombstones.set(memoryId, { version, bucket: reader.take(2).readUInt16LE(0) });
  }
  return table;
}

function writeTable({ slots, tombstones }: Table): Buffer {
  const { length } = slots;
  const ids: Buffer[] = [];
  const [versions, idEnds] = [Buffer.alloc(length * 8), Buffer.alloc(length * 8)];
  const [high, low, buckets] = [Buffer.alloc(length * 4), Buffer.alloc(length * 4), Buffer.alloc(length * 2)];
  const [checksums, dead] = [Buffer.alloc(length * 32), Buffer.alloc((length + 7) >>> 3)];
  let idBytes = 0;
  slots.forEach((slot, at) => {
    if (slot === null) dead[at >>> 3]! |= 1 << (at & 7);
    else {
      const id = Buffer.from(slot.memoryId, "utf8");
      ids.push(id);
      idBytes += id.length;
      versions.writeDoubleLE(slot.version, at * 8);
      checksums.write(slot.checksum, at * 32, "hex");
      buckets.writeUInt16LE(slot.bucket, at * 2);
      high.writeUInt32LE(slot.digestHigh, at * 4);
      low.writeUInt32LE(slot.digestLow, at * 4);
    }
    idEnds.writeDoubleLE(idBytes, at * 8);
  });
  const head = Buffer.alloc(20);
  head.writeUInt32LE(length, 0);
  head.writeUInt32LE(length, 4);
  head.writeUInt32LE(tombstones.size, 8);
  head.writeDoubleLE(idBytes, 12);
  const parts: Buffer[] = [head, versions, idEnds, high, low, buckets, checksums, dead, ...ids];
  for (const [memoryId, { version, bucket }] of tombstones) {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(bucket);
    parts.push(text(memoryId), double(version), number);
  }
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

class Reader {
  #at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new Error("slots.bin ends too early");
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.take(this.take(2).readUInt16LE(0)).toString("utf8");
  }
}
