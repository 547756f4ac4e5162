import { ConfigurationError, DeadlineExceededError } from "../domain/errors.ts";
import { HUB_ERROR_CODES, HubError, type HubErrorCode } from "../hub/protocol/codes.ts";
import type { Hub } from "../hub/protocol/hub.ts";
import type { HubIdentity } from "../hub/protocol/identity.ts";
import { pause } from "../runtime/deadline.ts";
import type { Listeners } from "../runtime/listeners.ts";
import { silentLog } from "../runtime/log.ts";
import type { OpenExtras } from "./edge-options.ts";
import { EdgeFileError } from "./errors.ts";
import type { EdgeEvents } from "./events.ts";
import type { FileNotice } from "./file/context.ts";
import type { edgeMetrics } from "./metrics.ts";
import type { EdgeSettings } from "./settings.ts";
import { HubLink } from "./sync/hub-link.ts";
import { Loops } from "./sync/loops.ts";
import type { PullResult, PushResult, SyncReport } from "./sync/results.ts";
import { Syncing } from "./sync/syncing.ts";
import type { FilePort } from "./worker/file-port.ts";

export interface EdgeSyncOptions {
  readonly port: FilePort;
  readonly settings: EdgeSettings;
  readonly connect: (device: string) => Hub;
  readonly extras: OpenExtras;
  readonly listeners: Listeners<EdgeEvents>;
  readonly metrics: ReturnType<typeof edgeMetrics>;
}

/** Milliseconds for which a command waits for the process that syncs the file. */
const SERVED_MAX_MS = 120_000;
const SERVED_LOOK_MS = 50;

/** The edge's side of the hub: steps by hand, the background, and who does it where several processes have the file. */
export class EdgeSync {
  readonly #options: EdgeSyncOptions;
  readonly #link: HubLink;
  readonly #syncing: Syncing;
  readonly #closing = new AbortController();
  readonly #now: () => number;
  #loops: Loops | null = null;
  /** Steps by hand that are under way. */
  #steps = 0;

  constructor(options: EdgeSyncOptions) {
    const { port, settings, connect, extras, listeners, metrics } = options;
    this.#options = options;
    this.#now = extras.now ?? Date.now;
    this.#link = new HubLink({
      port,
      connect,
      now: this.#now,
      random: extras.random ?? Math.random,
      retryBaseMs: settings.retryBaseMs,
      retryMaxMs: settings.retryMaxMs,
      onContact: (contact) => {
        metrics.onContact(contact.state === "online");
        extras.log?.info({ state: contact.state, code: contact.code, reason: contact.message }, "edge.contact");
        listeners.emit("contact", contact);
      },
      onRenamed: (device) => {
        extras.log?.warn({ device }, "edge.renamed");
        listeners.emit("renamed", { device });
      },
    });
    this.#syncing = new Syncing({
      port,
      link: this.#link,
      settings,
      now: this.#now,
      onNotices: (notices) => this.#tell(notices),
      onPushed: (result) => {
        metrics.onPushed(result);
        listeners.emit("pushed", result);
      },
      onPulled: (result) => {
        metrics.onPulled(result);
        listeners.emit("pulled", result);
      },
    });
  }

  start(): void {
    if (this.#loops !== null) return;
    const { port, settings, extras } = this.#options;
    const log = extras.log ?? silentLog;
    this.#loops = new Loops({ port, link: this.#link, syncing: this.#syncing, settings, now: this.#now, log });
    this.#loops.start();
  }

  async stop(): Promise<void> {
    const loops = this.#loops;
    await loops?.stop();
    if (this.#loops === loops) this.#loops = null;
  }

  wake(): void {
    this.#loops?.wake();
  }

  wakeAll(): void {
    this.#link.hurry();
    this.#loops?.wakeAll();
  }

  async pushOnce(signal: AbortSignal = this.#closing.signal): Promise<PushResult> {
    return await this.#withLease(() => this.#syncing.push(signal));
  }

  async pullOnce(waitMs: number, signal: AbortSignal = this.#closing.signal): Promise<PullResult> {
    return await this.#withLease(() => this.#syncing.pull(waitMs, signal));
  }

  /**
   * @throws {HubError} @throws {ConfigurationError} It is paused.
   * @throws {DeadlineExceededError} Another process has the file, and does not do it.
   */
  async now(signal: AbortSignal = this.#closing.signal, listMax?: number): Promise<SyncReport> {
    const { isPaused } = await this.#options.port.state();
    if (isPaused) {
      throw new ConfigurationError(
        "the edge is paused: nothing goes up or down until it is resumed (mnemosync edge resume)",
      );
    }
    this.#link.hurry();
    const { held } = await this.#options.port.takeLease(this.#now());
    if (held) return await this.#withLease(() => this.#syncing.all(signal, listMax));
    return await this.#askHolder(signal);
  }

  /** What the hub says of itself, asked anew. For the doctor. */
  async identify(signal: AbortSignal): Promise<HubIdentity> {
    const { device } = await this.#options.port.state();
    return await this.#link.call(device, (hub) => hub.identify(signal));
  }

  async close(): Promise<void> {
    this.#closing.abort(new HubError("SYNC_CONNECTION", "the edge is being closed"));
    await this.stop();
    await this.#link.close();
  }

  /** Steps by hand need the lease too. Where nothing runs in the background, it is given back at the end. */
  async #withLease<Result>(work: () => Promise<Result>): Promise<Result> {
    const { port, settings } = this.#options;
    const { held, pid } = await port.takeLease(this.#now());
    if (!held)
      throw new EdgeFileError(
        "locked",
        `${settings.path}: process ${pid} syncs this file: use syncNow, or stop it there`,
      );
    this.#steps++;
    try {
      return await work();
    } finally {
      if (--this.#steps === 0 && this.#loops === null) await port.releaseLease();
    }
  }

  async #askHolder(signal: AbortSignal): Promise<SyncReport> {
    const { port } = this.#options;
    const request = await port.requestSync();
    const until = performance.now() + SERVED_MAX_MS;
    while (performance.now() < until) {
      signal.throwIfAborted();
      const served = await port.servedSync();
      if (served.request >= request) return reportOf(served.report);
      const { held } = await port.takeLease(this.#now());
      if (held) return await this.#withLease(() => this.#syncing.all(signal)); // The other process has ended.
      await pause(SERVED_LOOK_MS, signal);
    }
    throw new DeadlineExceededError("the sync by the process that has the file", SERVED_MAX_MS);
  }

  #tell(notices: readonly FileNotice[]): void {
    const { listeners, metrics, extras } = this.#options;
    for (const notice of notices) {
      metrics.onNotice(notice);
      extras.log?.info({ ...notice }, `edge.${notice.kind}`);
      const { kind, ...payload } = notice;
      if (kind === "offered_again") listeners.emit("offeredAgain", payload);
      else listeners.emit(kind, payload as never);
    }
  }
}

function reportOf(text: string | null): SyncReport {
  const served = JSON.parse(text ?? "{}") as {
    report?: Omit<SyncReport, "up" | "down"> & Partial<SyncReport>;
    error?: { code: string; message: string };
  };
  if (served.report !== undefined) {
    const { pushed, pulled } = served.report;
    // An older program, which told no lists, may have done it.
    return { up: { count: pushed, changes: [] }, down: { count: pulled, changes: [] }, ...served.report };
  }
  const code = served.error?.code ?? "";
  const isKnown = (HUB_ERROR_CODES as readonly string[]).includes(code);
  throw new HubError(
    isKnown ? (code as HubErrorCode) : "INTERNAL",
    served.error?.message ?? "the sync failed in another process",
  );
}
