import type { Redis } from "ioredis";
import type postgres from "postgres";

const SCAN = `
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 2000)
local answers = {}
for index, key in ipairs(page[2]) do answers[index] = redis.call('HMGET', key, 'version', 'checksum') end
return { page[1], page[2], answers }`;

/** What Redis alone takes to say which versions it holds: a script call per page. @returns how many. */
export async function scanRedis(redis: Redis, prefix: string): Promise<number> {
  let seen = 0;
  let cursor = "0";
  do {
    const [next, keys] = (await redis.eval(SCAN, 0, cursor, `${prefix}:memory:*`)) as [string, string[]];
    seen += keys.length;
    cursor = next;
  } while (cursor !== "0");
  return seen;
}

/** What PostgreSQL alone takes to digest what it holds: the aggregate over its narrow table. @returns how many. */
export async function scanPostgres(sql: postgres.Sql): Promise<number> {
  const rows = await sql`
    select bucket, count(*)::int as count, bit_xor(digest), sum(digest)
    from mnemosync.memory_versions where digest is not null group by bucket`;
  return rows.reduce((sum, row) => sum + Number(row.count), 0);
}
