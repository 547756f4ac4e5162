import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../../ledger/arrays.ts";
import type { HeldMedia } from "../media/media-folder.ts";

/**
 * Whether any version of a memory that is kept names a file, in order. A hash that stands anywhere in a document counts: rather a file
 * too many than one too few.
 */
export async function readHeld(sql: Sql, page: readonly HeldMedia[]): Promise<boolean[]> {
  const [namespaces, memoryIds] = keyLiterals(page.map(({ holder }) => holder));
  const hashes = arrayLiteral(page.map(({ sha256 }) => sha256));
  const rows = await sql<{ isHeld: boolean }[]>`
    select exists (
      select from mnemosync.memory_bodies b
      where b.namespace = k.namespace and b.memory_id = k.memory_id and strpos(b.document::text, k.sha256) > 0
    ) as "isHeld"
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[], ${hashes}::text::text[])
      with ordinality as k (namespace, memory_id, sha256, place)
    order by k.place`;
  return rows.map(({ isHeld }) => isHeld);
}
