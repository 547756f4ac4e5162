import type { StoreId } from "../../src/domain/store-id.ts";
import type { CheckScope, DriftKind } from "../../src/index.ts";
import { unitVector } from "./memories.ts";
import { type Content, finish, hashOf, type LedgerRow, otherContent, putHashes, readReplaced } from "./raw-stores.ts";
import { type SnapshotEditor, unit } from "./snapshot-editor.ts";
import type { World } from "./world.ts";

/** What was done to one memory, and what has to become of it. */
export interface Injected {
  readonly memoryId: string;
  readonly foundVersion: number | null;
  /** The bytes that are overwritten by the repair, which must be kept before. */
  readonly lost: {
    readonly side: "found" | "ledger";
    readonly document: string | Buffer | null;
    readonly embedding: Buffer | null;
  } | null;
  /** What must stand in all stores afterwards; absent: what the ledger said before. Null: nothing. */
  readonly after?: { readonly version: number; readonly content: Content } | null;
}

/** One kind of drift in one store, made by plain commands of that store. */
export interface Injection {
  readonly store: StoreId;
  readonly kind: DriftKind;
  /** What happened to the store. */
  readonly what: string;
  /** The weakest scope that can see it. */
  readonly scope: CheckScope;
  /** Who decides; null where the ledger is right by rule. */
  readonly decidedBy: "latest_wins" | null;
  /** Memories of its own instead of those of the world: `new` ones it makes up, `deleted` ones were there once. */
  readonly on?: "unknown" | "deleted" | "rewritten";
  /** @param editor of the closed index's files; only for injections into the index. */
  inject(world: World, rows: readonly LedgerRow[], editor: SnapshotEditor | null): Promise<Injected[]> | Injected[];
}

const HOUR_MS = 3_600_000;

const bytesOf = (vector: Float32Array): Buffer => Buffer.from(new Uint8Array(vector.buffer));
const numberOf = (memoryId: string): number => Number.parseInt(memoryId.replace(/\D+/g, ""), 10);

/** Other words and another vector, of which nobody but Redis knows. */
function madeUp(row: LedgerRow, words: string): Content {
  const seed = numberOf(row.memoryId) + row.version * 1_000_000;
  return otherContent(row, `${words} of ${row.memoryId}, over ${row.version}`, bytesOf(unitVector(seed, 8)));
}

const found = ({ document, embedding }: Pick<Content, "document" | "embedding">): Injected["lost"] => ({
  side: "found",
  document,
  embedding,
});

/** Puts another sound content into Redis, `ahead` versions ahead of the ledger, modified so much earlier or later. */
function conflicting(ahead: number, laterMs: number): Injection["inject"] {
  return async (world, rows) => {
    const theirs = rows.map((row): LedgerRow => {
      const content = madeUp(row, ahead > 0 ? "ahead" : "diverged");
      return { ...row, ...content, version: row.version + ahead, modifiedAt: row.modifiedAt + laterMs };
    });
    await putHashes(world, theirs);
    return rows.map(({ memoryId, version, document, embedding }, index): Injected => {
      const their = theirs[index] as LedgerRow & Content;
      const at = { memoryId, foundVersion: their.version };
      if (laterMs < 0) return { ...at, lost: found(their) };
      return { ...at, lost: { side: "ledger", document, embedding }, after: { version: version + 1, content: their } };
    });
  };
}

const redis = { store: "redis", scope: "full", decidedBy: null } as const;

export const REDIS_INJECTIONS: readonly Injection[] = [
  {
    ...redis,
    kind: "missing",
    what: "keys were deleted",
    inject: async (world, rows) => {
      await world.redis.del(rows.map(({ memoryId }) => world.redisKey(memoryId)));
      return rows.map(({ memoryId }) => ({ memoryId, foundVersion: null, lost: null }));
    },
  },
  {
    ...redis,
    kind: "stale",
    what: "the version before came back",
    on: "rewritten",
    inject: async (world, rows) => {
      const replaced = await readReplaced(
        world,
        rows.map(({ memoryId }) => memoryId),
      );
      await putHashes(world, replaced);
      return replaced.map((row) => ({
        memoryId: row.memoryId,
        foundVersion: row.version,
        lost: found(row as Content & LedgerRow),
      }));
    },
  },
  {
    ...redis,
    kind: "ahead",
    what: "a version that nobody gave out, older",
    decidedBy: "latest_wins",
    inject: conflicting(38, -HOUR_MS),
  },
  {
    ...redis,
    kind: "ahead",
    what: "a version that nobody gave out, newer",
    decidedBy: "latest_wins",
    inject: conflicting(38, HOUR_MS),
  },
  {
    ...redis,
    kind: "diverged",
    what: "another content of the same version, older",
    decidedBy: "latest_wins",
    inject: conflicting(0, -HOUR_MS),
  },
  {
    ...redis,
    kind: "diverged",
    what: "another content of the same version, newer",
    decidedBy: "latest_wins",
    inject: conflicting(0, HOUR_MS),
  },
  {
    ...redis,
    kind: "corrupt",
    what: "one bit of the document flipped",
    scope: "deep",
    inject: async (world, rows) => {
      const pipeline = world.redis.pipeline();
      const lost = rows.map(({ memoryId, document, embedding }) => {
        const bytes = Buffer.from(document as string);
        bytes[(numberOf(memoryId) * 7) % bytes.length]! ^= 1 << (numberOf(memoryId) % 7);
        pipeline.hset(world.redisKey(memoryId), "data", bytes);
        return { side: "found" as const, document: bytes, embedding };
      });
      await finish(pipeline);
      return rows.map(({ memoryId, version }, at) => ({ memoryId, foundVersion: version, lost: lost[at] ?? null }));
    },
  },
  {
    ...redis,
    kind: "corrupt",
    what: "one bit of the vector flipped",
    scope: "deep",
    inject: async (world, rows) => {
      const pipeline = world.redis.pipeline();
      const lost = rows.map(({ memoryId, document, embedding }) => {
        const bytes = Buffer.from(embedding as Buffer);
        bytes[numberOf(memoryId) % bytes.length]! ^= 1 << (numberOf(memoryId) % 8);
        pipeline.hset(world.redisKey(memoryId), "embedding", bytes);
        return { side: "found" as const, document, embedding: bytes };
      });
      await finish(pipeline);
      return rows.map(({ memoryId, version }, at) => ({ memoryId, foundVersion: version, lost: lost[at] ?? null }));
    },
  },
  {
    ...redis,
    kind: "corrupt",
    what: "texts stand where hashes belong",
    inject: async (world, rows) => {
      const pipeline = world.redis.pipeline();
      for (const { memoryId } of rows) {
        pipeline.del(world.redisKey(memoryId)).set(world.redisKey(memoryId), `not ${memoryId}`);
      }
      await finish(pipeline);
      const dump = world.redis.pipeline();
      for (const { memoryId } of rows) dump.dumpBuffer(world.redisKey(memoryId));
      const raw = (await finish(dump)) as Buffer[];
      return rows.map(({ memoryId }, at) => ({
        memoryId,
        foundVersion: null,
        lost: { side: "found", document: raw[at] as Buffer, embedding: null },
      }));
    },
  },
  {
    ...redis,
    kind: "orphan",
    what: "whole memories that the ledger does not know",
    decidedBy: "latest_wins",
    on: "unknown",
    inject: async (world, rows) => {
      await putHashes(
        world,
        rows.map((row) => ({ ...row, version: 5 })),
      );
      return rows.map((row) => ({
        memoryId: row.memoryId,
        foundVersion: 5,
        lost: found(row as Content & LedgerRow),
        after: { version: 1, content: row as Content & LedgerRow },
      }));
    },
  },
  {
    ...redis,
    kind: "orphan",
    what: "damaged memories that the ledger does not know",
    on: "unknown",
    inject: async (world, rows) => {
      const pipeline = world.redis.pipeline();
      for (const row of rows) {
        pipeline.hset(world.redisKey(row.memoryId), { ...hashOf(row), data: `${row.document} ` });
      }
      await finish(pipeline);
      return rows.map((row) => ({
        memoryId: row.memoryId,
        foundVersion: row.version,
        lost: { side: "found", document: `${row.document} `, embedding: row.embedding },
        after: null,
      }));
    },
  },
  {
    ...redis,
    kind: "resurrected",
    what: "deleted memories came back",
    on: "deleted",
    inject: async (world, rows) => {
      const replaced = await readReplaced(
        world,
        rows.map(({ memoryId }) => memoryId),
      );
      await putHashes(world, replaced);
      return replaced.map((row) => ({
        memoryId: row.memoryId,
        foundVersion: row.version,
        lost: found(row as Content & LedgerRow),
      }));
    },
  },
];

const faiss = { store: "faiss", scope: "full", decidedBy: null } as const;

/** Edits one memory after the other. */
function editing(
  edit: (editor: SnapshotEditor, row: LedgerRow, replaced: LedgerRow | undefined) => number | null,
  keeps = true,
): Injection["inject"] {
  return async (world, rows, editor) => {
    if (editor === null) throw new Error("an index is edited on disk only");
    const memoryIds = rows.map(({ memoryId }) => memoryId);
    const replaced = rows.some(({ version }) => version > 1) ? await readReplacedOfAny(world, memoryIds) : new Map();
    const versions = rows.map((row) => edit(editor, row, replaced.get(row.memoryId)));
    const held = editor.entries();
    return rows.map(({ memoryId }, at): Injected => {
      const entry = held.get(memoryId);
      const lost: Injected["lost"] =
        entry === undefined || !keeps ? null : { side: "found", document: null, embedding: Buffer.from(entry.row) };
      return { memoryId, foundVersion: versions[at] ?? null, lost };
    });
  };
}

async function readReplacedOfAny(world: World, memoryIds: readonly string[]): Promise<Map<string, LedgerRow>> {
  const known = await world.sql<{ memory_id: string }[]>`
    select h.memory_id from mnemosync.memory_history h join mnemosync.memory_versions v using (namespace, memory_id)
    where h.version = v.version - 1 and v.namespace = 'default' and h.memory_id = any(${memoryIds as string[]})`;
  const rows = await readReplaced(
    world,
    known.map(({ memory_id }) => memory_id),
  );
  return new Map(rows.map((row) => [row.memoryId, row]));
}

export const FAISS_INJECTIONS: readonly Injection[] = [
  {
    ...faiss,
    kind: "missing",
    what: "slots were marked dead",
    inject: editing((editor, { memoryId }) => {
      editor.kill(memoryId);
      return null;
    }),
  },
  {
    ...faiss,
    kind: "missing",
    what: "tombstones of the same version stand in their place",
    inject: editing((editor, { memoryId, version }) => {
      editor.kill(memoryId, version);
      return version;
    }),
  },
  {
    ...faiss,
    kind: "stale",
    what: "the version before came back",
    on: "rewritten",
    inject: editing((editor, { memoryId }, replaced) => {
      const { version, checksum, embedding } = replaced as LedgerRow;
      editor.kill(memoryId);
      editor.add(memoryId, version, checksum as string, embedding as Buffer);
      return version;
    }),
  },
  {
    ...faiss,
    kind: "ahead",
    what: "a version that nobody gave out",
    inject: editing((editor, { memoryId, version }) => {
      editor.setVersion(memoryId, version + 38);
      return version + 38;
    }),
  },
  {
    ...faiss,
    kind: "diverged",
    what: "another checksum of the same version",
    inject: editing((editor, { memoryId, version, checksum }) => {
      editor.setChecksum(memoryId, [...(checksum as string)].reverse().join(""));
      return version;
    }),
  },
  {
    ...faiss,
    kind: "corrupt",
    what: "one bit of the vector flipped",
    scope: "deep",
    inject: editing((editor, { memoryId, version }) => {
      editor.flipBit(memoryId, (numberOf(memoryId) * 13) % 256);
      return version;
    }),
  },
  {
    ...faiss,
    kind: "orphan",
    what: "vectors of memories that the ledger does not know",
    on: "unknown",
    inject: async (_, rows, editor) =>
      rows.map(({ memoryId, checksum, embedding }) => {
        editor?.add(memoryId, 3, checksum as string, embedding as Buffer);
        const lost = { side: "found" as const, document: null, embedding: unit(embedding as Buffer) };
        return { memoryId, foundVersion: 3, lost, after: null };
      }),
  },
  {
    ...faiss,
    kind: "resurrected",
    what: "vectors of deleted memories came back",
    on: "deleted",
    inject: editing((editor, { memoryId }, replaced) => {
      const { version, checksum, embedding } = replaced as LedgerRow;
      editor.add(memoryId, version, checksum as string, embedding as Buffer);
      return version;
    }),
  },
];

const postgres = { store: "postgres", kind: "corrupt", scope: "deep", decidedBy: null } as const;

export const POSTGRES_INJECTIONS: readonly Injection[] = [
  {
    ...postgres,
    what: "one letter of the document changed",
    inject: async (world, rows) => {
      const damaged = rows.map(({ document }) => (document as string).replace('"content":"', '"content":"M'));
      await world.sql`
        update mnemosync.memory_bodies m set document = i.document::json
        from unnest(${rows.map(({ memoryId }) => memoryId)}::text[], ${damaged}::text[]) as i (memory_id, document)
        join mnemosync.memory_versions v using (memory_id)
        where v.namespace = 'default' and m.namespace = v.namespace and m.memory_id = v.memory_id and m.version = v.version`;
      return rows.map(({ memoryId, version, embedding }, at) => ({
        memoryId,
        foundVersion: version,
        lost: { side: "found", document: damaged[at] as string, embedding },
      }));
    },
  },
  {
    ...postgres,
    what: "one bit of the vector flipped",
    inject: async (world, rows) => {
      const bits = rows.map(({ memoryId }) => (numberOf(memoryId) * 13) % 256);
      const flipped = await world.sql<{ memory_id: string; embedding: Buffer }[]>`
        update mnemosync.memory_bodies m set embedding = set_bit(embedding, i.bit, 1 - get_bit(embedding, i.bit))
        from unnest(${rows.map(({ memoryId }) => memoryId)}::text[], ${bits}::int[]) as i (memory_id, bit)
        join mnemosync.memory_versions v using (memory_id)
        where v.namespace = 'default' and m.namespace = v.namespace and m.memory_id = v.memory_id and m.version = v.version
        returning m.memory_id, m.embedding`;
      const embeddings = new Map(flipped.map(({ memory_id, embedding }) => [memory_id, embedding]));
      return rows.map(({ memoryId, version, document }) => ({
        memoryId,
        foundVersion: version,
        lost: { side: "found", document, embedding: embeddings.get(memoryId) as Buffer },
      }));
    },
  },
  {
    ...postgres,
    what: "the row is gone",
    inject: async (world, rows) => {
      await world.sql`
        delete from mnemosync.memory_bodies m using mnemosync.memory_versions v
        where v.namespace = 'default' and v.memory_id = any(${rows.map(({ memoryId }) => memoryId)})
          and m.namespace = v.namespace and m.memory_id = v.memory_id and m.version = v.version`;
      return rows.map(({ memoryId, version }) => ({ memoryId, foundVersion: version, lost: null }));
    },
  },
];
