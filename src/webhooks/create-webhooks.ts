import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Feed } from "../feed/feed.ts";
import type { FeedSignal } from "../feed/feed-signal.ts";
import type { Log } from "../runtime/log.ts";
import type { Service } from "../runtime/service.ts";
import { newUlid } from "../runtime/ulid.ts";
import { AddressGuard } from "./address-guard.ts";
import { Deliverer } from "./deliverer.ts";
import { Delivery } from "./delivery.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { SecretBox } from "./secret-box.ts";
import { Sender } from "./sender.ts";
import type { WebhookSettings } from "./settings.ts";
import { SubscriptionStore } from "./subscription-store.ts";
import { Subscriptions, type SubscriptionsParts } from "./subscriptions.ts";

export interface WebhooksParts {
  readonly postgres: PostgresAccess;
  readonly feed: Feed;
  readonly news: FeedSignal;
  readonly nodeId: string;
  readonly settings: WebhookSettings;
  /** Milliseconds that one call to Postgres may take. */
  readonly callTimeoutMs: number;
  readonly run: SubscriptionsParts["run"];
  readonly metrics: WebhookMetrics;
  readonly log: Log;
}

export interface Webhooks {
  readonly subscriptions: Subscriptions;
  /** For what the service has to tell. */
  readonly outbox: Outbox;
  /** None where no key is set up: then there are no subscriptions either, or other nodes deliver them. */
  readonly services: readonly Service[];
  close(): Promise<void>;
}

/** Milliseconds between two looks for work without a signal. */
const POLL_INTERVAL_MS = 2_000;
/** Milliseconds of a lease beside two calls: long enough for a page, short enough for another node to take over soon. */
const LEASE_MS = 30_000;

/** The webhooks of a node. Starts nothing. */
export function createWebhooks(parts: WebhooksParts): Webhooks {
  const { postgres, feed, news, nodeId, settings, callTimeoutMs, run, metrics, log } = parts;
  const { secretKey, previousSecretKey, allowedAddresses, allowHttp, timeoutMs } = settings;
  const store = new SubscriptionStore(postgres, { callTimeoutMs });
  const box = new SecretBox([secretKey, previousSecretKey].filter((key) => key !== undefined));
  const guard = new AddressGuard({ allowed: allowedAddresses });
  const sender = new Sender({ guard, allowHttp, timeoutMs, userAgent: "mnemosync" });
  const holder = `${nodeId}/${process.pid}/${newUlid()}`;
  const delivery = new Delivery({
    store,
    feed,
    sender,
    box,
    settings,
    holder,
    leaseMs: 2 * timeoutMs + LEASE_MS,
    metrics,
    log,
  });
  const { concurrencyMax, retryMaxMs } = settings;
  const pollIntervalMs = Math.min(POLL_INTERVAL_MS, retryMaxMs); // A second attempt is not to wait for a third one's time.
  const deliverer = new Deliverer({
    ...{ store, delivery, sender, news, holder, concurrencyMax, retryMaxMs, pollIntervalMs, log },
  });
  const outbox = new Outbox({ store, nodeId, onQueued: () => deliverer.wake(), log });
  const isSetUp = secretKey !== undefined;
  if (isSetUp) metrics.readFrom(postgres, log);
  return {
    subscriptions: new Subscriptions({ store, box, sender, settings, run, wake: () => deliverer.wake() }),
    outbox,
    services: isSetUp ? [deliverer, outbox] : [],
    close: () => sender.close(),
  };
}
