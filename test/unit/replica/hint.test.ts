import { expect, test } from "vitest";
import type { FeedCursor } from "../../../src/domain/change-source.ts";
import type { NamedCursors } from "../../../src/feed/named-cursors.ts";
import { Hint } from "../../../src/replica/hint.ts";

const { signal } = new AbortController();
const at = (xid: number): FeedCursor => ({ xid: String(xid), seq: "0" });

/** The ledger's cursor, and how often it was asked. */
function cursorOf() {
  const kept = { cursor: at(0), holder: null as string | null, leases: 0 };
  const cursors = {
    lease: async (_: string, holder: string) => {
      kept.leases++;
      kept.holder ??= holder;
      return kept.holder === holder;
    },
    read: async () => ({ epoch: "e", isCurrent: true, cursor: kept.cursor }),
    advance: async (_: string, { to }: { to: { cursor: FeedCursor } }) => {
      kept.cursor = to.cursor;
      return true;
    },
    release: async () => {
      kept.holder = null;
    },
  };
  return { kept, cursors: cursors as unknown as NamedCursors };
}

test("the hint follows the place of passes that are all shorter than a second", async () => {
  const { kept, cursors } = cursorOf();
  let now = 0;
  const hint = new Hint({ cursors, name: "replica", holder: "one", now: () => now });
  for (let pass = 1; pass <= 40; pass++) {
    expect(await hint.lease(signal)).toBe(true);
    now += 20;
    expect(await hint.follow("e", at(pass), signal)).toBe(true);
    now += 80;
  }
  expect(Number(kept.cursor.xid)).toBeGreaterThan(25);
  expect(kept.leases).toBeLessThanOrEqual(5);
});

test("a lease that was let go is asked for again at once", async () => {
  const { kept, cursors } = cursorOf();
  const hint = new Hint({ cursors, name: "replica", holder: "one", now: () => 0 });
  expect(await hint.lease(signal)).toBe(true);
  await hint.release(signal);
  kept.holder = "another";
  expect(await hint.lease(signal)).toBe(false);
});
