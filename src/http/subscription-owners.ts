import type { Log, MemorySynchronizer, Subscription } from "../index.ts";
import { Loop } from "../runtime/loop.ts";
import { CHANGE_TOPIC } from "../webhooks/topics.ts";
import type { KeyRing } from "./keys.ts";

/** Begins the owner of a subscription that a key made; a program and the command line have other owners. */
const KEY_OWNER = "key/";
const PAGE = 100;

/** The owner of what a key makes: it stays the same for the key that replaces it. */
export function keyOwner(owner: string): string {
  return KEY_OWNER + owner;
}

/**
 * Pauses subscriptions whose owner has lost the rights to what they tell: a key that is revoked must not go on reading by a
 * webhook. It looks every `intervalMs`, because a key expires without a change of the file.
 */
export function watchSubscriptionOwners(options: {
  readonly sync: MemorySynchronizer;
  readonly keys: Pick<KeyRing, "mayTell">;
  readonly log: Log;
  /** Milliseconds. */
  readonly intervalMs: number;
}): Loop {
  const { sync, keys, log, intervalMs } = options;
  return new Loop({
    name: "subscription-owners",
    intervalMs,
    log,
    pass: async (signal) => {
      for (let after = ""; ; ) {
        const page = await sync.subscriptions.list({ limit: PAGE, after, signal });
        for (const subscription of page) await look(subscription, signal);
        after = page.at(-1)?.id ?? "";
        if (page.length < PAGE) return false;
      }
    },
  });

  async function look({ id, owner, state, topics, namespaces }: Subscription, signal: AbortSignal): Promise<void> {
    if (state === "paused" || !owner.startsWith(KEY_OWNER)) return;
    const isService = topics.some((topic) => topic !== CHANGE_TOPIC);
    if (await keys.mayTell(owner.slice(KEY_OWNER.length), namespaces, isService)) return;
    await sync.subscriptions.pause(id, { reason: "key_lost", signal });
    log.warn({ subscription: id, reason: "key_lost", error: `no key of ${owner} has these rights` }, "webhook.paused");
  }
}
