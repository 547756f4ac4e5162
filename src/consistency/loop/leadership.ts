import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { Log } from "../../runtime/log.ts";
import { Loop } from "../../runtime/loop.ts";
import type { Service, ServiceStatus } from "../../runtime/service.ts";

export interface LeadershipOptions {
  readonly records: Pick<CheckRecords, "acquireLease" | "releaseLease">;
  /** The role: one holder at a time has it. */
  readonly name: string;
  /** Unique to this process: a restart is another holder. */
  readonly holder: string;
  /** Milliseconds within which another node takes over when this one is gone. At least 300. */
  readonly leaseMs: number;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/** How long to wait for the ledger when the role is given back. */
const RELEASE_TIMEOUT_MS = 2_000;

/**
 * Keeps asking for a role that one node of all has:
 *
 *     follower ──lease free or expired──► leader ──renewal refused, or too late──► follower
 *
 * A lease runs for two thirds of `leaseMs` and is renewed, or asked for, every sixth of it: whatever moment the leader
 * dies at, somebody else has the role within `leaseMs`. The role keeps nodes from doing the same work; nothing becomes
 * wrong when two believe to have it.
 */
export class Leadership implements Service {
  readonly #options: LeadershipOptions;
  readonly #clock: () => number;
  readonly #loop: Loop;
  /** By the clock; the role is this node's until then. */
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

  /** Asks once. @returns whether this node has the role. */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    const { records, name, holder, leaseMs, log } = this.#options;
    const ttlMs = (leaseMs * 2) / 3;
    const wasLeader = this.isLeader;
    // From before the question: the ledger's lease began later, so this node never believes in it for too long.
    const askedAt = this.#clock();
    const has = await records.acquireLease(name, holder, ttlMs, signal);
    this.#leaderUntil = has ? askedAt + ttlMs : Number.NEGATIVE_INFINITY;
    if (has !== wasLeader) log.info({ role: name, holder }, has ? "leadership.gained" : "leadership.lost");
    return has;
  }

  /** Gives the role back, so that another node need not wait for the lease to end. Safe before `start`, and twice. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    if (!this.isLeader) return;
    this.#leaderUntil = Number.NEGATIVE_INFINITY;
    const { records, name, holder, log } = this.#options;
    try {
      await records.releaseLease(name, holder, AbortSignal.timeout(RELEASE_TIMEOUT_MS));
    } catch (error) {
      log.warn({ role: name, error: (error as Error).message }, "leadership.release_failed"); // It expires by itself.
    }
  }
}
