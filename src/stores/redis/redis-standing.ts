import { StoreEpochError, StoreForeignError } from "../../domain/errors.ts";
import type { RedisLink } from "../../drivers/redis/redis-client.ts";
import { untilAborted, withDeadline } from "../../runtime/deadline.ts";
import type { StoreBrand, StoreOwner, StoreStanding } from "../projection.ts";
import { redisError } from "./redis-errors.ts";
import { type ScriptReply, ScriptRunner } from "./script-runner.ts";
import { BRAND, STANDING } from "./scripts.ts";

/** Connection losses by client. One listener per client, however many projections share it. */
const lossesOf = new WeakMap<RedisLink, { count: number }>();

/** Client events after which another server may hold the keys, or an older copy of them. */
const LOSSES = ["close", "-node", "+node"];

function countLosses(client: RedisLink): { count: number } {
  let losses = lossesOf.get(client);
  if (losses === undefined) {
    const counted = { count: 0 };
    for (const event of LOSSES) client.on(event, () => counted.count++);
    lossesOf.set(client, counted);
    losses = counted;
  }
  return losses;
}

/**
 * The owner of the keys under a prefix, and the incarnation of the servers. After a restart or a failover every key, marks
 * included, returns as it was in the file or on the replica. Only a changed process (`run_id`) or a new promotion to
 * primary (`master_replid`) reveals it.
 */
export class RedisStanding {
  readonly #scripts: ScriptRunner;
  readonly #key: string;
  readonly #prefix: string;
  readonly #callTimeoutMs: number;
  readonly #losses: { readonly count: number };
  #ledger: string | null = null;
  #verifiedAt = -1;
  #verifying: Promise<void> | null = null;

  constructor(client: RedisLink, options: { prefix: string; ownsClient: boolean; callTimeoutMs: number }) {
    this.#scripts = new ScriptRunner(client, options.ownsClient, options.callTimeoutMs);
    this.#prefix = options.prefix;
    this.#key = `${options.prefix}:owner`;
    this.#callTimeoutMs = options.callTimeoutMs;
    this.#losses = countLosses(client);
  }

  /** Where the brand is kept. */
  get ownerKey(): string {
    return this.#key;
  }

  get links(): number {
    return this.#losses.count;
  }

  admit(ledger: string): void {
    this.#ledger = ledger;
  }

  /** Verifies the owner again after a lost connection. Undefined when no connection was lost since. */
  readonly guard = (signal: AbortSignal): Promise<void> | undefined => {
    if (this.#ledger === null || this.#verifiedAt === this.#losses.count) return undefined;
    if (this.#verifying === null) {
      // Many calls share this verification, so no single caller can abort it.
      this.#verifying = this.#verify(AbortSignal.timeout(this.#callTimeoutMs)).finally(() => {
        this.#verifying = null;
      });
      this.#verifying.catch(() => undefined); // Each caller handles the rejection, unless its own signal fires first.
    }
    // Reject as an unavailable store: a bare time-out would fail the write, which must continue without Redis.
    return untilAborted(this.#verifying, signal).catch((error: unknown) => {
      throw redisError(error, signal);
    });
  };

  async standing(signal: AbortSignal): Promise<StoreStanding> {
    const [brand, life] = await Promise.all([this.#brand(signal), this.#life(signal)]);
    return { brand, life };
  }

  async brand(found: StoreOwner | null, { owner, mark }: StoreBrand, signal: AbortSignal): Promise<boolean> {
    const values = [found?.ledger ?? "", found?.epoch ?? "", owner.ledger, owner.epoch, mark];
    return (await this.#scripts.run(BRAND, [this.#key], values, signal)) === 1;
  }

  /** @throws {StoreEpochError} The store bears another epoch. */
  async assertEpoch(epoch: string, signal: AbortSignal): Promise<void> {
    const found = (await this.#brand(signal))?.owner.epoch ?? epoch;
    if (found !== epoch) throw new StoreEpochError("redis", epoch, found);
  }

  async #verify(signal: AbortSignal): Promise<void> {
    const { count } = this.#losses;
    const brand = await this.#brand(signal);
    if (brand !== null && brand.owner.ledger !== this.#ledger) {
      throw new StoreForeignError("redis", `it names ledger ${brand.owner.ledger} under the prefix ${this.#prefix}`);
    }
    this.#verifiedAt = count;
  }

  async #brand(signal: AbortSignal): Promise<StoreBrand | null> {
    const reply = await this.#scripts.run(STANDING, [this.#key], [], signal);
    const [ledger, epoch, mark] = (reply as ScriptReply[]).map((field) => (field === null ? null : String(field)));
    return ledger == null || epoch == null ? null : { owner: { ledger, epoch }, mark: mark ?? "" };
  }

  /** Null when the server does not report it. */
  async #life(signal: AbortSignal): Promise<string | null> {
    return await withDeadline(this.#callTimeoutMs, signal, async (deadline) => {
      try {
        const nodes = this.#scripts.nodes();
        const infos = await untilAborted(Promise.all(nodes.map(({ client }) => client.info())), deadline);
        const lives = infos.map((info) => `${field(info, "run_id")}.${field(info, "master_replid")}`);
        return lives.some((life) => life.startsWith(".")) ? null : lives.sort().join(",");
      } catch (error) {
        const reason = redisError(error, deadline);
        if (reason.code === "STORE_REFUSED" && reason.message.includes("NOPERM")) return null;
        throw reason;
      }
    });
  }
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1] ?? "";
}
