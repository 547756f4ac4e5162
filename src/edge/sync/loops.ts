import { HubError } from "../../hub/protocol/codes.ts";
import { pause } from "../../runtime/deadline.ts";
import type { Log } from "../../runtime/log.ts";
import { Lifecycle } from "../../runtime/service.ts";
import { EdgeFileError } from "../errors.ts";
import { LEASE_TTL_MS } from "../file/lease.ts";
import type { EdgeSettings } from "../settings.ts";
import type { FilePort } from "../worker/file-port.ts";
import type { HubLink } from "./hub-link.ts";
import type { Syncing } from "./syncing.ts";

export interface LoopsOptions {
  readonly port: FilePort;
  readonly link: HubLink;
  readonly syncing: Syncing;
  readonly settings: EdgeSettings;
  readonly now: () => number;
  readonly log: Log;
}

/** Milliseconds between two looks for writes of other processes. Their edits leave within it and one request. */
const WATCH_MS = 200;
const LEASE_RENEW_MS = LEASE_TTL_MS / 3;
/** A request that waits is asked anew before proxies end it. */
const LONG_POLL_MS = 25_000;

/**
 * The background: one loop pushes, one pulls with a waiting request, and one keeps the lease and looks for writes of other
 * processes. A process without the lease watches, and takes it once it is free.
 *
 *     idle ──start──► running ──stop──► stopping ──requests settled──► stopped (start makes a new one)
 */
export class Loops {
  readonly #options: LoopsOptions;
  readonly #lifecycle = new Lifecycle();
  #pushWake = new AbortController();
  #pullWake = new AbortController();
  #holdsLease = false;
  /** As the last pass found it. */
  #isPaused = false;

  constructor(options: LoopsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#lifecycle.start(async (signal) => {
      await Promise.all([this.#keep(signal), this.#pushLoop(signal), this.#pullLoop(signal)]);
    });
  }

  /** The outbox has something new. */
  wake(): void {
    this.#pushWake.abort();
  }

  /** Both directions are to be looked at now. */
  wakeAll(): void {
    this.#pushWake.abort();
    this.#pullWake.abort();
  }

  get holdsLease(): boolean {
    return this.#holdsLease;
  }

  /** Resolves once no request is under way and the lease is free. Requests under way are ended: they are repeated later. */
  async stop(): Promise<void> {
    const stopped = this.#lifecycle.stop();
    this.wakeAll();
    await stopped;
    if (this.#holdsLease) await this.#options.port.releaseLease();
    this.#holdsLease = false;
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { port, now } = this.#options;
    let renewAt = 0;
    let dataVersion = 0;
    while (!signal.aborted) {
      await this.#tolerate(signal, async () => {
        const nowMs = now();
        if (nowMs >= renewAt || renewAt > nowMs + LEASE_TTL_MS || !this.#holdsLease) {
          const { held } = await port.takeLease(nowMs);
          if (held && !this.#holdsLease) this.wakeAll();
          this.#holdsLease = held;
          renewAt = nowMs + LEASE_RENEW_MS;
        }
        const found = await port.dataVersion();
        if (found !== dataVersion && this.#holdsLease) {
          if (this.#isPaused) this.wakeAll();
          else this.wake();
          if ((await port.viewLease()).wanted) await this.#serve(signal);
        }
        dataVersion = found;
      });
      await pause(this.#holdsLease ? WATCH_MS : 5 * WATCH_MS, signal);
    }
  }

  /** Another process, a command for instance, asks for a sync now. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { port, syncing, link } = this.#options;
    const request = await port.requestedSync();
    link.hurry();
    try {
      const report = await syncing.all(signal);
      await port.serveSync(request, JSON.stringify({ report }));
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = error as { code?: string; message: string };
      await port.serveSync(request, JSON.stringify({ error: { code: code ?? "INTERNAL", message } }));
    }
  }

  async #pushLoop(signal: AbortSignal): Promise<void> {
    const { syncing, settings } = this.#options;
    while (!signal.aborted) {
      this.#pushWake = new AbortController();
      const more = await this.#pass("push", signal, async () => {
        return (await syncing.drain(signal, () => this.#mayGoOn())).more;
      });
      await this.#rest(more ? 0 : settings.pushIntervalMs, this.#pushWake.signal, signal);
    }
  }

  async #pullLoop(signal: AbortSignal): Promise<void> {
    const { syncing, settings } = this.#options;
    let isUpToDate = false;
    while (!signal.aborted) {
      this.#pullWake = new AbortController();
      // Not before it is up to date: a first answer shows at once that the hub can be reached.
      const waitMs = isUpToDate ? LONG_POLL_MS : 0;
      isUpToDate = false;
      const again = await this.#pass("pull", signal, async () => {
        const startedAt = performance.now();
        const { changes, more } = await syncing.pullToEnd(waitMs, signal, () => this.#mayGoOn());
        isUpToDate = !more;
        // The hub held the request: it is asked again at once. One that does not hold any is asked at intervals.
        return changes > 0 || more || waitMs === 0 || performance.now() - startedAt > HELD_MIN_MS;
      });
      await this.#rest(again ? 0 : settings.pullIntervalMs, this.#pullWake.signal, signal);
    }
  }

  /** Whether a pass of many requests may make another one: a pause, by any process, takes effect between two of them. */
  async #mayGoOn(): Promise<boolean> {
    return this.#holdsLease && !(await this.#options.port.state()).isPaused;
  }

  /** @returns whether another pass is to follow at once. */
  async #pass(name: "push" | "pull", signal: AbortSignal, work: () => Promise<boolean>): Promise<boolean> {
    const { port, link, log } = this.#options;
    if (!this.#holdsLease || link.waitMs() > 0) return false;
    try {
      this.#isPaused = (await port.state()).isPaused;
      return this.#isPaused ? false : await work();
    } catch (error) {
      if (signal.aborted) return false;
      const { code, message } = error as { code?: string; message: string };
      const isExpected = error instanceof HubError || error instanceof EdgeFileError;
      log[isExpected ? "warn" : "error"]({ loop: `edge_${name}`, code, error: message }, "edge.pass_failed");
      return false;
    }
  }

  /** Waits for the interval, for the hub to be called again, or for news. News do not cut the wait after a failure. */
  async #rest(intervalMs: number, wake: AbortSignal, signal: AbortSignal): Promise<void> {
    const heldUpMs = this.#options.link.waitMs();
    if (heldUpMs > 0) return await pause(Math.min(heldUpMs, HURRY_LOOK_MS), signal);
    if (!wake.aborted) await pause(intervalMs, wake);
  }

  /** A lock that another process held for too long, or a full disk, passes: the next look finds out. */
  async #tolerate(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal.aborted) return;
      this.#options.log.warn({ loop: "edge_lease", error: (error as Error).message }, "edge.pass_failed");
    }
  }
}

/** A held-up loop looks this often whether it may go on: a sync by hand ends the wait for all. */
const HURRY_LOOK_MS = 1_000;
const HELD_MIN_MS = 1_000;
