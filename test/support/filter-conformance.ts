import postgres from "postgres";
import { expect } from "vitest";
import { passes } from "../../src/domain/filter/evaluate.ts";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import { whereCondition } from "../../src/ledger/where.ts";
import { filter, subject } from "./filters.ts";
import fc from "./properties.ts";
import { postgresUrl } from "./services.ts";

const MEMORIES = 40;

/**
 * Holds the SQL of random filters against the evaluator in memory: both must let the same memories pass.
 * @param filters how many, each against 40 memories, which change every hundred filters.
 */
export async function compareFilters(filters: number, seed: number): Promise<void> {
  const sql = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  let passing = 0;
  try {
    await sql`create temporary table subjects (
      memory_id text collate "C", created_at timestamptz, modified_at timestamptz, expires_at timestamptz, document json)`;
    for (let done = 0; done < filters; done += 100) {
      const memories = fc
        .sample(subject, { seed: seed + done, numRuns: MEMORIES })
        .map((memory, index) => ({ ...memory, memoryId: `${memory.memoryId}${index}` }));
      await sql`truncate subjects`;
      for (const { memoryId, createdAt, modifiedAt, expiresAt, ...document } of memories) {
        await sql`insert into subjects values (${memoryId}, ${new Date(createdAt ?? 0)}, ${new Date(modifiedAt)},
          ${expiresAt ?? null}, ${JSON.stringify(document)}::text::json)`;
      }
      for (const given of fc.sample(filter, { seed: seed - done, numRuns: 100 })) {
        const condition = parseFilter(given);
        const wanted = memories.filter((memory) => passes(condition, memory)).map(({ memoryId }) => memoryId);
        const rows = await sql<{ memory_id: string }[]>`
          select v.memory_id from subjects v cross join lateral (select v.document::jsonb as document) d
          where ${whereCondition(sql as never, condition)}`;
        passing += wanted.length;
        expect(rows.map((row) => row.memory_id).sort(), JSON.stringify(given)).toEqual(wanted.sort());
      }
    }
    // Neither all nor none: otherwise nothing was compared.
    expect(passing / (filters * MEMORIES)).toBeGreaterThan(0.1);
    expect(passing / (filters * MEMORIES)).toBeLessThan(0.9);
  } finally {
    await sql.end();
  }
}
