import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { readSubscriptionGauges, type SubscriptionGauge } from "../ledger/subscription-statements.ts";
import type { Log } from "../runtime/log.ts";
import { CALL_SECONDS, type MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import type { Delivery } from "./sender.ts";
import { SUBSCRIPTIONS_MAX } from "./subscription-store.ts";
import { CHANGE_TOPIC } from "./topics.ts";

const OUTCOMES: readonly Delivery["outcome"][] = ["accepted", "refused", "gone", "failed"];
const STATES = ["active", "retrying", "paused"] as const;

/** What this node delivers, and the subscriptions of the ledger. */
export class WebhookMetrics implements GaugeSource {
  readonly #deliveries;
  readonly #seconds;
  readonly #subscriptions;
  readonly #pending;
  readonly #dead;
  readonly #lag;
  #source: { postgres: PostgresAccess; log: Log } | null = null;

  constructor(base: MetricBase) {
    this.#deliveries = base.counter("webhook_deliveries_total", "Calls to receivers of webhooks", ["outcome"]);
    for (const outcome of OUTCOMES) this.#deliveries.inc({ outcome }, 0);
    this.#seconds = base.histogram("webhook_delivery_seconds", "Duration of calls to receivers", CALL_SECONDS);
    this.#subscriptions = base.gauge("webhook_subscriptions", "Webhook subscriptions", ["state"]);
    this.#pending = base.gauge("webhook_events_pending", "Events that wait for a receiver");
    this.#dead = base.gauge("webhook_dead_letters", "Messages that were given up", ["subscription"]);
    this.#lag = base.gauge("webhook_lag_seconds", "Age of the oldest change that a subscription has not passed", [
      "subscription",
    ]);
  }

  /** @param postgres where gauges are read from, once subscriptions can be delivered. */
  readFrom(postgres: PostgresAccess, log: Log): void {
    this.#source = { postgres, log };
  }

  delivered(outcome: Delivery["outcome"], seconds: number): void {
    this.#deliveries.inc({ outcome });
    this.#seconds.observe(seconds);
  }

  async read(signal: AbortSignal): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    try {
      this.#set(
        await source.postgres.use(signal, ({ sql }) => readSubscriptionGauges(sql, CHANGE_TOPIC, SUBSCRIPTIONS_MAX)),
      );
    } catch (error) {
      source.log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  show(): void {} // What was read is shown as it is.

  #set(gauges: readonly SubscriptionGauge[]): void {
    const stateOf = ({ state, failures }: SubscriptionGauge): string =>
      state === "active" && failures > 0 ? "retrying" : state;
    for (const state of STATES) {
      this.#subscriptions.set({ state }, gauges.filter((gauge) => stateOf(gauge) === state).length);
    }
    this.#pending.set(gauges.reduce((sum, { pending }) => sum + pending, 0));
    // Subscriptions that are gone must not keep their last values.
    this.#dead.reset();
    this.#lag.reset();
    for (const { id: subscription, dead, lagSeconds } of gauges) {
      this.#dead.set({ subscription }, dead);
      this.#lag.set({ subscription }, lagSeconds);
    }
  }
}
