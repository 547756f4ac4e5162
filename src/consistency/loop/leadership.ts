import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { Log } from "../../runtime/log.ts";
import { Loop } from "../../runtime/loop.ts";
import type { Service, ServiceStatus } from "../../runtime/service.ts";

export interface LeadershipOptions {
  readonly records: Pick<CheckRecords, "acquireLease" | "releaseLease">;
  /** The role, which has one holder at a time. */
  readonly name: string;
  /** Unique to this process: after a restart the process is a new holder. */
  readonly holder: string;
  /** Milliseconds within which another node takes over after this one dies. At least 300. */
  readonly leaseMs: number;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/** Deadline in milliseconds for releasing the role in the ledger. */
const RELEASE_TIMEOUT_MS = 2_000;

/**
 * Elects one node as the holder of a role, by a lease:
 *
 *     follower ──lease free or expired──► leader ──renewal refused, or too late──► follower
 *
 * A lease lasts two thirds of `leaseMs`; the leader renews it, and followers request it, every sixth of `leaseMs`. Another
 * node therefore takes over within `leaseMs`, whenever the leader dies. The role only avoids duplicate work: two nodes
 * that both believe to be the leader cause no error.
 */
export class Leadership implements Service {
  readonly #options: LeadershipOptions;
  readonly #clock: () => number;
  readonly #loop: Loop;
  /** Expiry of this node's lease, by the clock. */
  #leaderUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#loop = new Loop({
      name: "leadership",
      intervalMs: Math.max(1, Math.floor(options.leaseMs / 6)),
      log: options.log,
      pass: (signal) => this.runOnce(signal).then(() => false),
    });
  }

  get name(): string {
    return this.#loop.name;
  }

  get isLeader(): boolean {
    return this.#clock() < this.#leaderUntil;
  }

  start(): void {
    this.#loop.start();
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** Requests the lease once. @returns whether this node has the role. */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    const { records, name, holder, leaseMs, log } = this.#options;
    const ttlMs = (leaseMs * 2) / 3;
    const wasLeader = this.isLeader;
    // Time before the request: the ledger's lease begins later, so this node never believes in its lease for too long.
    const askedAt = this.#clock();
    const has = await records.acquireLease(name, holder, ttlMs, signal);
    this.#leaderUntil = has ? askedAt + ttlMs : Number.NEGATIVE_INFINITY;
    if (has !== wasLeader) log.info({ role: name, holder }, has ? "leadership.gained" : "leadership.lost");
    return has;
  }

  /** Releases the role, so that another node need not wait for the expiry. Safe before `start`, and idempotent. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    if (!this.isLeader) return;
    this.#leaderUntil = Number.NEGATIVE_INFINITY;
    const { records, name, holder, log } = this.#options;
    try {
      await records.releaseLease(name, holder, AbortSignal.timeout(RELEASE_TIMEOUT_MS));
    } catch (error) {
      log.warn({ role: name, error: (error as Error).message }, "leadership.release_failed"); // The lease expires anyway.
    }
  }
}
