import { SnapshotEditor } from "./snapshot-editor.ts";
import type { World } from "./world.ts";

/** Closes the synchronizer so that its snapshot is up to date with the ledger: what is edited then stays edited. */
export async function closedIndex(world: World): Promise<SnapshotEditor> {
  for (let attempt = 0; attempt < 100; attempt++) {
    await world.disconnect();
    const editor = new SnapshotEditor(world.directory);
    const { xid, seq } = editor.cursor;
    const [behind] = await world.sql`
      select 1 from mnemosync.memory_bodies where (xid, seq) > (${xid}::text::xid8, ${seq}::text::bigint) limit 1`;
    if (behind === undefined) return editor;
    await world.connect(); // Another test's transaction holds the feed back; each turn of this takes a while by itself.
  }
  throw new Error("the feed's end was not reached");
}
