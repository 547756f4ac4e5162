import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { type DeviceGauges, readDeviceGauges } from "../ledger/device-statements.ts";
import type { Log } from "../runtime/log.ts";
import { CALL_SECONDS, type MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import type { PushAnswer } from "./protocol/push.ts";

const STATUSES: readonly PushAnswer["status"][] = ["applied", "duplicate", "conflict", "rejected", "retry"];
/** Devices with a series of their own: those that are furthest behind. */
const DEVICES_MAX = 50;
/** Milliseconds without a call, after which a device counts as quiet. */
const QUIET_MS = 86_400_000;

/** What devices push to this node and read from it, and the devices of the ledger. */
export class HubMetrics implements GaugeSource {
  readonly #answers;
  readonly #told;
  readonly #seconds;
  readonly #devices;
  readonly #claims;
  readonly #behind;
  #source: { postgres: PostgresAccess; log: Log } | null = null;

  constructor(base: MetricBase) {
    this.#answers = base.counter("hub_pushed_changes_total", "Changes that devices pushed, by the answer", ["answer"]);
    for (const answer of STATUSES) this.#answers.inc({ answer }, 0);
    this.#told = base.counter("hub_told_changes_total", "Changes that devices were told of");
    this.#seconds = base.histogram("hub_call_seconds", "Duration of calls of devices, waiting apart", CALL_SECONDS, [
      "call",
    ]);
    this.#devices = base.gauge("hub_devices", "Devices that push to the hub", ["state"]);
    this.#claims = base.gauge("hub_claims", "Applied changes that devices have not called settled, up to 1,000,000");
    this.#behind = base.gauge(
      "hub_device_behind_seconds",
      "Age of the oldest change that a device was not told of, for the 50 devices that are furthest behind",
      ["device"],
    );
  }

  /** @param postgres where gauges are read from. */
  readFrom(postgres: PostgresAccess, log: Log): void {
    this.#source = { postgres, log };
  }

  answered(answers: readonly PushAnswer[]): void {
    for (const { status: answer } of answers) this.#answers.inc({ answer });
  }

  told(changes: number): void {
    this.#told.inc(changes);
  }

  took(call: "identify" | "push", seconds: number): void {
    this.#seconds.observe({ call }, seconds);
  }

  async read(signal: AbortSignal): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    try {
      this.#set(await source.postgres.use(signal, ({ sql }) => readDeviceGauges(sql, QUIET_MS, DEVICES_MAX)));
    } catch (error) {
      source.log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  show(): void {} // What was read is shown as it is.

  #set({ active, quiet, revoked, claims, behind }: DeviceGauges): void {
    for (const [state, count] of Object.entries({ active, quiet, revoked })) this.#devices.set({ state }, count);
    this.#claims.set(claims);
    this.#behind.reset(); // Devices that caught up, or are gone, must not keep their last values.
    for (const { device, behindSeconds } of behind) this.#behind.set({ device }, behindSeconds);
  }
}
