import { expect, test } from "vitest";
import { FEED_START, type FeedCursor } from "../../src/domain/change-source.ts";
import type { Ending } from "../../src/domain/ending.ts";
import { passes } from "../../src/domain/filter/evaluate.ts";
import { type Condition, type Filter, parseFilter } from "../../src/domain/filter/filter.ts";
import type { Sql } from "../../src/drivers/postgres/postgres-access.ts";
import { type FeedPageQuery, type FeedReading, readFeedPage } from "../../src/ledger/feed-page-statements.ts";
import { feedShown } from "../support/feed-shown.ts";
import fc from "../support/properties.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: a page says of each version whether an earlier one was told, by all of the history that is kept, and reads that history once.
 * Method: histories of every kind are put into the tables and judged here one version at a time; the server counts the rows that it reads.
 */

type Privacy = "full" | "redacted" | "local_only";

interface Version {
  readonly memoryId: string;
  readonly version: number;
  /** Null: an ending, or a live version that lost its document. */
  readonly document: {
    readonly memoryType: string;
    readonly importance: number;
    readonly privacy?: Privacy;
    readonly expiresAt?: string;
    readonly metadata: { readonly team: string };
  } | null;
  readonly endedBy: Ending | null;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

interface History {
  /** Oldest first. Pruned ones are absent. */
  readonly versions: readonly Version[];
  /** In the tables of before migration 19, with a place in the feed for the last version alone. */
  readonly isUnmoved: boolean;
}

const START = Date.parse("2026-01-01T00:00:00.000Z");

const step = fc.record({
  what: fc.constantFrom<Privacy | Ending | "damaged" | "unsaid">(
    ...(["full", "redacted", "local_only", "local_only", "local_only", "unsaid"] as const),
    ...(["expired", "deleted", "withdrawn", "erased", "damaged"] as const),
  ),
  importance: fc.constantFrom(0.1, 0.9),
  team: fc.constantFrom("red", "blue"),
  expires: fc.boolean(),
  isPruned: fc.constantFrom(true, false, false, false, false, false, false, false),
});

/** Of one memory. The last version is never pruned; often none is, and often none but a private one was ever written. */
const historyOf = (memoryId: string): fc.Arbitrary<History> =>
  fc
    .record({
      steps: fc.array(step, { minLength: 1, maxLength: 12 }),
      isPrivate: fc.boolean(),
      isWhole: fc.boolean(),
      isUnmoved: fc.constantFrom(true, false, false),
    })
    .map(({ steps, isPrivate, isWhole, isUnmoved }) => {
      const versions = steps.map(({ what, importance, team, expires }, index): Version => {
        const isEnding = what === "expired" || what === "deleted" || what === "withdrawn" || what === "erased";
        const privacy = isPrivate && index < steps.length - 1 ? ("local_only" as const) : what;
        const expiresAt = new Date(START + index * 1_000).toISOString();
        const document =
          isEnding || privacy === "damaged"
            ? null
            : {
                ...{ memoryType: "semantic", importance, metadata: { team } },
                ...(privacy !== "unsaid" && { privacy: privacy as Privacy }),
                ...(expires && { expiresAt }),
              };
        const endedBy = isEnding ? (isUnmoved ? "deleted" : what) : null;
        return { memoryId, version: index + 1, document, endedBy, modifiedAt: START + index * 1_000 };
      });
      const kept = versions.filter((_, index) => isWhole || index === steps.length - 1 || !steps[index]?.isPruned);
      return { versions: kept, isUnmoved };
    });

interface Round {
  readonly memories: readonly History[];
  readonly seed: number;
  readonly isShuffled: boolean;
}

/** Memories of one round, which stand in the feed beside one another. */
const roundOf = (round: number): fc.Arbitrary<Round> =>
  fc.record({
    memories: fc.tuple(...Array.from({ length: 5 }, (_, number) => historyOf(`m${round}-${number}`))),
    seed: fc.integer(),
    // In another order than they were written, as where an epoch gave them new places.
    isShuffled: fc.boolean(),
  });

/** Puts histories into the tables, in the order of the list. */
async function insert(sql: Sql, memories: readonly History[], order: readonly Version[]) {
  const row = (kept: Version, index: number) => ({
    place: index + 1,
    ...{ namespace: "default", memory_id: kept.memoryId, version: kept.version, version_vector: { a: kept.version } },
    checksum: kept.endedBy === null ? "0".repeat(64) : null,
    modified_at: new Date(kept.modifiedAt).toISOString(),
    ended_by: kept.endedBy,
    deleted_at: kept.endedBy === null ? null : new Date(kept.modifiedAt).toISOString(),
    expires_at: kept.document?.expiresAt ?? null,
    document: kept.document,
    created_at: new Date(START).toISOString(),
  });
  const all = (versions: readonly Version[]) => sql`
    from jsonb_to_recordset(${sql.json(versions.map(row))}) as r (
      namespace text, memory_id text, version bigint, version_vector jsonb, checksum text, modified_at timestamptz,
      ended_by text, deleted_at timestamptz, expires_at timestamptz, document json, created_at timestamptz, place bigint)`;
  const unmoved = memories.filter(({ isUnmoved }) => isUnmoved).map(({ versions }) => versions);
  const moved = memories.filter(({ isUnmoved }) => !isUnmoved).map(({ versions }) => versions);
  const last = (versions: readonly Version[]) => versions.at(-1) as Version;
  const movedIds = new Set(moved.map((versions) => last(versions).memoryId));
  await sql`
    insert into mnemosync.memory_bodies
      (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, document, seq)
    select namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, 'tx', document, place
    ${all(order.filter(({ memoryId }) => movedIds.has(memoryId)))}`;
  const narrow = (versions: readonly Version[], isUnmoved: boolean) => sql`
    insert into mnemosync.memory_versions (namespace, memory_id, version, checksum, bucket, version_vector, modified_at,
      deleted_at, expires_at, ended_by, tx_id, has_embedding, created_at, xid, seq)
    select namespace, memory_id, version, checksum, 0, version_vector, modified_at, deleted_at, expires_at,
           ${isUnmoved ? sql`null, 'tx', false, null, pg_current_xact_id(), place + ${order.length}::int` : sql`ended_by, 'tx', false, created_at, null, null`}
    ${all(versions)}`;
  await narrow(moved.map(last), false);
  await narrow(unmoved.map(last), true);
  await sql`
    insert into mnemosync.unmoved_documents (namespace, memory_id, document)
    select namespace, memory_id, document ${all(unmoved.map(last))} where document is not null`;
  await sql`
    insert into mnemosync.unmoved_history (namespace, memory_id, version, checksum, document, version_vector, modified_at, tx_id)
    select namespace, memory_id, version, checksum, document, version_vector, modified_at, 'tx'
    ${all(unmoved.flatMap((versions) => versions.slice(0, -1)))}`;
}

interface Question {
  readonly reading: FeedReading;
  readonly where: Condition | null;
  readonly applyPrivacy: boolean;
}

/** What the page has to say of each version that a reader has to be told of, or that is kept back. One version at a time. */
function expected(
  memories: readonly History[],
  order: readonly Version[],
  { reading, where, applyPrivacy }: Question,
): string[] {
  const isWanted = ({ document, memoryId, modifiedAt }: Version, createdAt: number): boolean => {
    if (where === null) return true;
    if (document === null) return false;
    const isRedacted = applyPrivacy && document.privacy !== "full";
    const metadata = isRedacted ? {} : document.metadata;
    return passes(where, { privacy: "", ...document, memoryId, modifiedAt, createdAt, metadata });
  };
  const isPrivate = ({ document }: Version) => applyPrivacy && document?.privacy === "local_only";
  return order.flatMap((one) => {
    const history = memories.find(({ versions }) => versions[0]?.memoryId === one.memoryId) as History;
    const isLast = one === history.versions.at(-1);
    if (!isLast && (history.isUnmoved || reading === "changes")) return [];
    // The tables of before migration 19 don't know it.
    const createdAt = history.isUnmoved ? (history.versions.at(-1)?.modifiedAt ?? 0) : START;
    const wanted = isWanted(one, createdAt);
    const earlier = history.versions.filter(({ version }) => version < one.version);
    const goesOut = one.endedBy === null && !isPrivate(one) && wanted;
    const wasTold =
      (!applyPrivacy && where === null) ||
      goesOut ||
      (one.version > 1 &&
        (earlier.length < one.version - 1 ||
          earlier.some((each) => each.document !== null && !isPrivate(each) && isWanted(each, createdAt))));
    const isMissing = one.endedBy === null && one.document === null;
    if (where !== null && !wanted && !wasTold && !isMissing) return [];
    return [shown({ ...one, isWanted: wanted, wasTold, isMissing })];
  });
}

const shown = (row: {
  memoryId: string;
  version: number;
  endedBy: string | null;
  isWanted: boolean | null;
  wasTold: boolean;
  isMissing: boolean;
}): string =>
  `${row.memoryId}@${row.version} ${row.endedBy ?? "live"} wanted=${row.isWanted ?? false} told=${row.wasTold} missing=${row.isMissing}`;

const query = (fields: Partial<FeedPageQuery>): FeedPageQuery => ({
  ...{ reading: "versions", cursor: FEED_START, namespaces: null, where: null, applyPrivacy: true, parts: "documents" },
  ...{ limit: 100, scanMax: 1_000, bytesMax: 1_000_000 },
  ...fields,
});

async function readAll(sql: Sql, asked: Partial<FeedPageQuery>): Promise<string[]> {
  const rows: string[] = [];
  let cursor: FeedCursor = FEED_START;
  for (let pages = 0; pages < 1_000; pages++) {
    const page = await readFeedPage(sql, query({ ...asked, cursor }));
    rows.push(...page.rows.map(shown));
    if (page.complete) return rows;
    cursor = page.last ?? cursor;
  }
  throw new Error("the feed has no end");
}

/** The same order for the same seed. */
function shuffled(versions: readonly Version[], seed: number): Version[] {
  const keyed = versions.map((version, index) => ({ version, key: Math.imul(index + 1, seed | 1) >>> 0 }));
  return keyed.sort((a, b) => a.key - b.key).map(({ version }) => version);
}

test("whether an earlier version was told is what the whole history says, for any histories, filters and pages", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const filters: (Filter | null)[] = [
    null,
    { importance: { gt: 0.5 } },
    { "metadata.team": { eq: "red" } },
    { expiresAt: { gt: START + 3_000 } },
    { and: [{ createdAt: { lte: START + 5_000 } }, { modifiedAt: { gte: START + 2_000 } }] },
  ];
  const rounds = Array.from({ length: 30 }, (_, round) => {
    const [{ memories, seed, isShuffled }] = fc.sample(roundOf(round), { numRuns: 1, seed: round }) as [Round];
    const written = memories.flatMap(({ versions }) => versions);
    const inTurns = written.toSorted((a, b) => a.version - b.version || (a.memoryId < b.memoryId ? -1 : 1));
    const order = isShuffled ? shuffled(inTurns, seed) : inTurns;
    // Those that are not moved yet get their places last.
    const unmoved = memories.filter(({ isUnmoved }) => isUnmoved).map(({ versions }) => versions.at(-1) as Version);
    return { memories, order: [...order.filter((one) => !unmoved.includes(one)), ...unmoved] };
  });
  for (const { memories, order } of rounds)
    await world.sql.begin((sql) => insert(sql as unknown as Sql, memories, order));
  await feedShown(world);
  const seen = { told: 0, untold: 0 };
  for (const [index, filter] of filters.entries()) {
    const where = filter === null ? null : parseFilter(filter);
    for (const applyPrivacy of [true, false]) {
      for (const reading of ["versions", "changes"] as const) {
        const right = rounds.flatMap(({ memories, order }) =>
          expected(memories, order, { reading, where, applyPrivacy }),
        );
        for (const limit of [[7, 400], [20, 1_000], [100]][index % 3] as number[]) {
          const asked = { reading, where, applyPrivacy, limit, scanMax: limit * 2 };
          expect(await readAll(world.sql, asked), JSON.stringify(asked)).toEqual(right);
        }
        for (const row of right) seen[row.includes("told=true") ? "told" : "untold"]++;
      }
    }
  }
  expect(seen.told).toBeGreaterThan(1_000);
  expect(seen.untold).toBeGreaterThan(100);
});

test("the history of a memory that is rewritten all the time is read once for a page, not once for each of its versions on it", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const [written, limit] = [300, 100];
  const versions = Array.from({ length: written }, (_, index): Version => {
    const document = {
      memoryType: "semantic",
      importance: 0.1,
      privacy: "local_only",
      metadata: { team: "red" },
    } as const;
    return { memoryId: "m", version: index + 1, document, endedBy: null, modifiedAt: START };
  });
  await world.sql.begin((sql) => insert(sql as unknown as Sql, [{ versions, isUnmoved: false }], versions));
  await feedShown(world);
  const wanted = parseFilter({ importance: { gt: 0.5 } });
  const last = versions.at(limit) as Version;
  const asked: Partial<FeedPageQuery>[] = [
    { parts: "memories" },
    { where: wanted, applyPrivacy: false, scanMax: limit },
    { where: wanted, scanMax: limit },
  ];
  for (const fields of asked) {
    const [before, after, rows] = await world.sql.begin(async (sql) => {
      const fetched = async (): Promise<number> => {
        const [row] = await sql<{ fetched: number }[]>`
          select idx_tup_fetch::int as fetched from pg_stat_xact_user_tables where relname = 'memory_bodies'`;
        return row?.fetched ?? 0;
      };
      // By the index, as in a table that is larger than this one.
      await sql`set local enable_seqscan = off`;
      await sql`set local enable_bitmapscan = off`;
      const before = await fetched(); // Of transactions before this one too.
      const page = await readFeedPage(sql as unknown as Sql, query({ ...fields, limit }));
      return [before, await fetched(), page.rows] as const;
    });
    expect(rows.filter(({ wasTold }) => wasTold)).toEqual([]);
    expect(rows).toHaveLength(fields.where === undefined ? limit : 0);
    // The page, the documents that decide, those that are sent; then what stands before the last version of the page.
    expect(after - before).toBeLessThan(3 * limit + last.version);
  }
});
