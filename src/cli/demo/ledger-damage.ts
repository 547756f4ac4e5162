import type { Injection, Take } from "./injection.ts";
import type { DemoWorld } from "./world.ts";

/** Damages the ledger itself, past its checksum, as a hand edit would. It can be mended from Redis. */
export async function ledgerDamage({ sql }: DemoWorld, take: Take): Promise<Injection> {
  const keys = take(1);
  for (const { namespace, memoryId } of keys) {
    await sql`
      update mnemosync.memory_bodies set document = '{"content":"This is not what was said."}'
      where namespace = ${namespace} and memory_id = ${memoryId}`;
  }
  const memoryIds = keys.map(({ memoryId }) => memoryId);
  return { store: "postgres", kind: "corrupt", memoryIds, what: "a row of the ledger edited by hand" };
}
