import { Cluster, type Redis } from "ioredis";
import { AbortedError, ClosedError, StoreUnavailableError } from "../../domain/errors.ts";
import { isTimeout, untilAborted } from "../../runtime/deadline.ts";
import type { Log } from "../../runtime/log.ts";
import type { PoolCounts } from "../postgres/postgres-pool.ts";
import { createRedisClient, type RedisLink } from "./redis-client.ts";

export interface RedisPoolOptions {
  /** Connections at most, the shared one included. @default 50 */
  max?: number;
  /** Calls that may wait for a connection of their own; more are refused at once. @default 10_000 */
  waitingMax?: number;
  /** Milliseconds for establishing one connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds between attempts to reconnect, at most. @default 5_000 */
  reconnectDelayMaxMs?: number;
  /** Milliseconds after which an idle connection is replaced by a new one. @default 1_800_000 (30 min) */
  lifetimeMs?: number;
  /** Milliseconds after which an idle connection is closed by `maintain`. @default 60_000 */
  idleTimeoutMs?: number;
  /** Told when the shared link comes up or goes down. */
  onLink?: (up: boolean) => void;
}

interface Lease {
  readonly client: RedisLink;
  readonly openedAt: number;
  idleSince: number;
}

/**
 * Connections to Redis: one that all calls share, since Redis answers in order and a link carries any number of calls,
 * and others that a piece of work has for itself (`WATCH`, blocking commands, `SELECT`).
 */
export class RedisPool {
  /** The connection that all calls share. It reconnects by itself for ever, and fails calls at once meanwhile. */
  readonly shared: RedisLink;
  readonly #url: string;
  readonly #options: Required<RedisPoolOptions>;
  readonly #log: Log | undefined;
  readonly #idle: Lease[] = [];
  readonly #busy = new Set<Lease>();
  readonly #waiters: ((lease: Lease | null) => void)[] = [];
  readonly #counts = { opened: 0, recycled: 0, lost: 0 };
  #opening = 0;
  #closed = false;

  /** Opens nothing yet. @throws {ConfigurationError} The URL is none. */
  constructor(url: string, options: RedisPoolOptions = {}, log?: Log) {
    this.#url = url;
    this.#log = log;
    this.#options = {
      max: 50,
      waitingMax: 10_000,
      connectTimeoutMs: 5_000,
      reconnectDelayMaxMs: 5_000,
      lifetimeMs: 1_800_000,
      idleTimeoutMs: 60_000,
      onLink: () => undefined,
      ...options,
    };
    this.shared = createRedisClient(url, this.#options, log);
    this.shared.on("ready", () => this.#options.onLink(true));
    this.shared.on("close", () => this.#options.onLink(false));
  }

  /** Connects the shared link. @throws {StoreUnavailableError} It goes on trying by itself all the same. */
  async connect(signal: AbortSignal): Promise<void> {
    if (this.shared.status === "ready") return;
    try {
      await untilAborted(this.shared.connect(), signal);
    } catch (error) {
      throw unavailable(error, signal);
    }
  }

  /** Runs `work` on a connection that nobody else uses meanwhile; it is destroyed when `signal` fires or `work` fails. */
  async use<T>(signal: AbortSignal, work: (client: RedisLink) => Promise<T>): Promise<T> {
    const lease = await this.#acquire(signal);
    let failed = true;
    try {
      const result = await untilAborted(work(lease.client), signal);
      failed = false;
      return result;
    } catch (error) {
      if (signal.aborted && error === signal.reason) throw unavailable(error, signal);
      throw error;
    } finally {
      this.#release(lease, failed);
    }
  }

  /** `shared` is 1 while the link that all calls share is up. */
  statistics(): { shared: number; idle: number; busy: number; waiting: number } {
    return {
      shared: this.shared.status === "ready" ? 1 : 0,
      idle: this.#idle.length,
      busy: this.#busy.size + this.#opening,
      waiting: this.#waiters.length,
    };
  }

  counts(): PoolCounts {
    return { ...this.#counts };
  }

  /** Closes idle connections that are dead, too old, or not needed any more. */
  maintain(): void {
    const now = performance.now();
    for (const lease of [...this.#idle]) {
      const { lifetimeMs, idleTimeoutMs } = this.#options;
      const fresh = now - lease.openedAt < lifetimeMs && now - lease.idleSince < idleTimeoutMs;
      if (fresh && lease.client.status === "ready") continue;
      this.#idle.splice(this.#idle.indexOf(lease), 1);
      this.#drop(lease);
    }
  }

  /** Cuts all connections. Safe twice. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter(null);
    for (const { client } of [...this.#idle.splice(0), ...this.#busy]) client.disconnect();
    this.shared.disconnect();
  }

  async #acquire(signal: AbortSignal): Promise<Lease> {
    for (;;) {
      if (this.#closed) throw new ClosedError("the Redis pool");
      if (signal.aborted) throw unavailable(signal.reason, signal);
      for (let lease = this.#idle.pop(); lease !== undefined; lease = this.#idle.pop()) {
        if (lease.client.status === "ready" && performance.now() - lease.openedAt < this.#options.lifetimeMs) {
          this.#busy.add(lease);
          return lease;
        }
        this.#drop(lease);
      }
      // One place is the shared link's.
      if (this.#busy.size + this.#opening < this.#options.max - 1) return await this.#open(signal);
      const handed = await this.#wait(signal);
      if (handed !== null) return handed;
    }
  }

  async #open(signal: AbortSignal): Promise<Lease> {
    this.#opening++;
    const client = createRedisClient(this.#url, this.#options, this.#log);
    try {
      await untilAborted(client.connect(), signal);
      if (this.#closed) throw new ClosedError("the Redis pool");
      this.#counts.opened++;
      const lease = { client, openedAt: performance.now(), idleSince: 0 };
      this.#busy.add(lease);
      return lease;
    } catch (error) {
      client.disconnect();
      this.#waiters.shift()?.(null); // The place is free again.
      throw unavailable(error, signal);
    } finally {
      this.#opening--;
    }
  }

  async #wait(signal: AbortSignal): Promise<Lease | null> {
    if (this.#waiters.length >= this.#options.waitingMax) {
      throw new StoreUnavailableError("redis", `${this.#waiters.length} calls wait for a connection already`);
    }
    let give: (lease: Lease | null) => void = () => undefined;
    const handed = new Promise<Lease | null>((resolve) => {
      give = resolve;
      this.#waiters.push(resolve);
    });
    try {
      return await untilAborted(handed, signal);
    } catch (error) {
      const index = this.#waiters.indexOf(give);
      if (index >= 0) this.#waiters.splice(index, 1);
      // Handed over in the very moment in which we gave up: pass it on.
      else void handed.then((lease) => (lease === null ? this.#waiters.shift()?.(null) : this.#release(lease, false)));
      throw unavailable(error, signal);
    }
  }

  #release(lease: Lease, failed: boolean): void {
    // What a failed piece of work left behind (a WATCH, a subscription, a late reply) must not meet the next one.
    if (failed || this.#closed || lease.client.status !== "ready") {
      this.#busy.delete(lease);
      this.#drop(lease, failed);
      this.#waiters.shift()?.(null);
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter(lease); // It stays busy.
      return;
    }
    this.#busy.delete(lease);
    lease.idleSince = performance.now();
    this.#idle.push(lease);
  }

  #drop(lease: Lease, failed = false): void {
    if (failed || lease.client.status !== "ready") this.#counts.lost++;
    else this.#counts.recycled++;
    lease.client.disconnect();
  }
}

/** Whether the link leads to a cluster: its keys are on several servers. */
export function isCluster(link: RedisLink): link is Cluster {
  return link instanceof Cluster;
}

/** The single server behind a link; null for a cluster. */
export function singleServer(link: RedisLink): Redis | null {
  return isCluster(link) ? null : link;
}

function unavailable(error: unknown, signal: AbortSignal): Error {
  if (error instanceof ClosedError || error instanceof StoreUnavailableError) return error;
  if (signal.aborted && error === signal.reason && !isTimeout(signal)) {
    return new AbortedError("a call to redis", { cause: error });
  }
  const message = signal.aborted
    ? "no answer before the deadline"
    : error instanceof Error
      ? error.message
      : `${error}`;
  return new StoreUnavailableError("redis", message, { cause: error });
}
