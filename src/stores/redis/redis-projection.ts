import type { Cluster, Redis } from "ioredis";
import type { BucketDigests } from "../../domain/buckets.ts";
import { StoreEpochError } from "../../domain/errors.ts";
import { type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange, PutChange } from "../../domain/memory.ts";
import { untilAborted, withDeadline } from "../../runtime/deadline.ts";
import { urgentTurn } from "../../runtime/turns.ts";
import type {
  EntryIdentity,
  Eviction,
  LiveEntry,
  MalformedEntry,
  PreparedBatch,
  Projection,
  ProjectionHealth,
  Replacement,
  ScanOptions,
  ScanPage,
  StoreBrand,
  StoredEntry,
  StoreOwner,
  StoreStanding,
} from "../projection.ts";
import type { ProjectionTraits } from "../traits.ts";
import { entryFlaw } from "./entry-flaw.ts";
import { REDIS_DEFAULTS, type RedisProjectionOptions } from "./options.ts";
import { isOtherFormat, RedisCodec } from "./redis-codec.ts";
import { redisError } from "./redis-errors.ts";
import { RedisKeyspace } from "./redis-keyspace.ts";
import { RedisStanding } from "./redis-standing.ts";
import { ScriptRunner } from "./script-runner.ts";
import { DUMP, PREPARE, PUBLISH, READ, REPLACE, UNCHANGED } from "./scripts.ts";

/** Keys per script call: one call blocks Redis for other clients for a few milliseconds at most. */
const KEYS_PER_CALL = 500;

/**
 * Bytes of changes per script call of a publish, about. Encoding and sending a megabyte takes some 4 ms, which the event loop
 * gives to other work in between.
 */
const PUBLISH_BYTES = 768 * 1024;
/** Bytes of a change beside document and vector, about. */
const CHANGE_BYTES = 400;

/** TTL in milliseconds of the key that a prepare writes. */
const PREPARE_TTL_MS = 60_000;

/**
 * Redis as fast working memory: one hash per memory, `<prefix>:memory:<namespace>:<memoryId>`. Works on one server
 * (or a primary with replicas) by scripts of many keys, and on a cluster by a pipeline of scripts of one key each.
 */
export class RedisProjection implements Projection {
  readonly id = "redis";
  readonly traits: ProjectionTraits;
  readonly publishesUnprepared = true;
  readonly #client: Redis | Cluster;
  readonly #scripts: ScriptRunner;
  readonly #codec: RedisCodec;
  readonly #keyspace: RedisKeyspace;
  readonly #storeEmbedding: boolean;
  readonly #tombstoneTtlMs: number;
  readonly #prepareKey: string;
  readonly #standing: RedisStanding;
  readonly #callTimeoutMs: number;

  constructor(client: Redis | Cluster, options: RedisProjectionOptions) {
    const {
      prefix = REDIS_DEFAULTS.prefix,
      storeEmbedding = REDIS_DEFAULTS.storeEmbedding,
      tombstoneTtlMs = REDIS_DEFAULTS.tombstoneTtlMs,
      ownsClient = REDIS_DEFAULTS.ownsClient,
      callTimeoutMs = REDIS_DEFAULTS.callTimeoutMs,
    } = options;
    this.traits = {
      scope: "shared",
      holds: new Set(storeEmbedding ? ["documents", "vectors"] : ["documents"]),
      cache: true,
    };
    this.#client = client;
    this.#standing = new RedisStanding(client, { prefix, ownsClient, callTimeoutMs });
    this.#scripts = new ScriptRunner(client, ownsClient, callTimeoutMs, this.#standing.guard);
    this.#codec = new RedisCodec(prefix, storeEmbedding);
    this.#keyspace = new RedisKeyspace(this.#scripts, this.#codec, (keys, signal) =>
      this.read(keys, { data: false }, signal),
    );
    this.#storeEmbedding = storeEmbedding;
    this.#tombstoneTtlMs = tombstoneTtlMs;
    this.#callTimeoutMs = callTimeoutMs;
    this.#prepareKey = `${prefix}:prepare:${options.nodeId}`;
  }

  async prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void> {
    await this.#scripts.run(PREPARE, [this.#prepareKey], [batch.token, PREPARE_TTL_MS], signal);
  }

  async publish(
    changes: readonly MemoryChange[],
    signal: AbortSignal,
    _token?: string,
    epoch?: string,
  ): Promise<("applied" | "stale")[]> {
    // A script of a cluster cannot read the owner key of another slot. The brand is read before, so that a publish which is
    // late on its way to the server itself is not refused; the check finds it.
    const isCompared = epoch !== undefined && !this.#client.isCluster;
    if (epoch !== undefined && !isCompared) await this.#standing.assertEpoch(epoch, signal);
    const compared = isCompared ? epoch : undefined;
    const answers: ("applied" | "stale")[] = [];
    for (const slice of slices(changes)) {
      const replies: Promise<number[]>[] = [];
      for (const part of this.#parts(slice)) {
        if (replies.length > 0) await urgentTurn();
        const reply = this.#publishPart(part, compared, signal);
        reply.catch(() => undefined); // Told below, once the other parts have ended too.
        replies.push(reply);
      }
      await Promise.allSettled(replies);
      for (const reply of replies) {
        for (const answer of await reply) answers.push(answer === 1 ? "applied" : "stale");
      }
    }
    return answers;
  }

  /** @param epoch that the store must bear; undefined: it is not compared. */
  async #publishPart(
    changes: readonly MemoryChange[],
    epoch: string | undefined,
    signal: AbortSignal,
  ): Promise<number[]> {
    const values = changes.map((change) => this.#codec.changeArguments(change));
    const keys = this.#keys(changes);
    if (epoch !== undefined) keys.push(this.#standing.ownerKey);
    const reply = await this.#scripts.runEach(PUBLISH, keys, [this.#tombstoneTtlMs, epoch ?? ""], values, signal);
    if (epoch !== undefined && !Array.isArray(reply)) throw new StoreEpochError("redis", epoch, String(reply));
    return reply as number[];
  }

  /** Changes in the order in which they are given, cut where a call has grown large. */
  *#parts(changes: readonly MemoryChange[]): Generator<readonly MemoryChange[]> {
    let start = 0;
    let bytes = 0;
    for (const [index, change] of changes.entries()) {
      bytes += CHANGE_BYTES;
      if (change.kind === "put") {
        bytes += change.documentJson.length + (this.#storeEmbedding ? (change.embedding?.byteLength ?? 0) : 0);
      }
      if (bytes < PUBLISH_BYTES && index + 1 < changes.length) continue;
      yield changes.slice(start, index + 1);
      start = index + 1;
      bytes = 0;
    }
  }

  async discard(): Promise<void> {
    // A prepared batch leaves only one key, which no reader uses and the next prepare overwrites.
  }

  async read(
    keys: readonly MemoryKey[],
    options: { data: boolean },
    signal: AbortSignal,
  ): Promise<(StoredEntry | null)[]> {
    const [key] = keys;
    if (key !== undefined && keys.length === 1 && options.data) {
      const entry = await this.#readOne(key, signal);
      if (entry !== undefined) return [entry];
    }
    const entries: (StoredEntry | null)[] = [];
    for (const part of slices(keys)) {
      const reply = await this.#scripts.runEach(READ, this.#keys(part), [options.data ? "1" : "0"], [], signal);
      part.forEach((key, index) => {
        entries.push(this.#codec.entry(plainKey(key), reply[index], options.data));
      });
    }
    return options.data ? await this.#withRaw(entries, signal) : entries;
  }

  /** Reads without a script, which would double the server's cost of the read. Undefined: the key holds no valid entry. */
  async #readOne(key: MemoryKey, signal: AbortSignal): Promise<StoredEntry | null | undefined> {
    const fields = await this.#scripts.hash(this.#codec.redisKey(key), signal);
    const entry = fields === null ? undefined : this.#codec.entryOfFields(plainKey(key), fields);
    return entry?.state === "malformed" ? undefined : entry;
  }

  async unchanged(entries: readonly EntryIdentity[], signal: AbortSignal): Promise<boolean[]> {
    const answers: boolean[] = [];
    for (const part of slices(entries)) {
      const values = part.map(({ digest, modifiedAt }) => [digest, modifiedAt]);
      const reply = await this.#scripts.runEach(UNCHANGED, this.#keys(part), [], values, signal);
      for (const answer of reply) answers.push(answer === 1);
    }
    return answers;
  }

  async scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage> {
    return await this.#keyspace.scan(cursor, options, signal);
  }

  async digest(signal: AbortSignal): Promise<BucketDigests> {
    return await this.#keyspace.digest(signal);
  }

  async count(signal: AbortSignal): Promise<number> {
    return await this.#keyspace.count(signal);
  }

  flaw(entry: LiveEntry, expected: PutChange): string | null {
    return entryFlaw(entry, expected, this.#storeEmbedding);
  }

  async replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]> {
    const answers: ("applied" | "moved")[] = [];
    for (const part of slices(replacements)) {
      const keys = part.map(({ key }) => this.#codec.redisKey(key));
      const values = part.map((replacement) => this.#codec.replacementArguments(replacement));
      const reply = await this.#scripts.runEach(REPLACE, keys, [this.#tombstoneTtlMs], values, signal);
      for (const answer of reply as number[]) answers.push(answer === 1 ? "applied" : "moved");
    }
    return answers;
  }

  async eviction(signal: AbortSignal): Promise<Eviction> {
    const memory = await this.#info("memory", signal);
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? "noeviction";
    // Without a memory limit Redis never evicts, whatever the policy.
    if (/^maxmemory:0\s/m.test(memory) || policy === "noeviction") return "none";
    return policy.startsWith("volatile") ? "expiring" : "all";
  }

  get links(): number {
    return this.#standing.links;
  }

  admit(ledger: string): void {
    this.#standing.admit(ledger);
  }

  async standing(signal: AbortSignal): Promise<StoreStanding> {
    return await this.#standing.standing(signal);
  }

  async brand(found: StoreOwner | null, brand: StoreBrand, signal: AbortSignal): Promise<boolean> {
    return await this.#standing.brand(found, brand, signal);
  }

  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    try {
      await this.#scripts.run(PREPARE, [this.#prepareKey], ["health", PREPARE_TTL_MS], signal);
      return { state: "healthy" };
    } catch (error) {
      const reason = redisError(error, signal);
      return { state: reason.code === "STORE_REFUSED" ? "degraded" : "down", reason: reason.message };
    }
  }

  /** Closes the connection if the projection owns it. */
  disconnect(): void {
    this.#client.disconnect();
  }

  async #info(section: string, signal: AbortSignal): Promise<string> {
    return await withDeadline(this.#callTimeoutMs, signal, async (deadline) => {
      try {
        return await untilAborted(this.#client.info(section), deadline);
      } catch (error) {
        throw redisError(error, deadline);
      }
    });
  }

  /** Keeps the raw bytes of malformed data as evidence. */
  async #withRaw(entries: readonly (StoredEntry | null)[], signal: AbortSignal): Promise<(StoredEntry | null)[]> {
    const malformed = entries.filter(
      (entry) => entry?.state === "malformed" && !isOtherFormat(entry),
    ) as MalformedEntry[];
    if (malformed.length === 0) return [...entries];
    const dumps = await this.#scripts.runEach(DUMP, this.#keys(malformed), [], [], signal);
    const raws = new Map(malformed.map((entry, index) => [entry, dumps[index]]));
    return entries.map((entry) => {
      const raw = raws.get(entry as MalformedEntry);
      return Buffer.isBuffer(raw) ? ({ ...entry, raw } as StoredEntry) : entry;
    });
  }

  #keys(keys: readonly MemoryKey[]): string[] {
    return keys.map((key) => this.#codec.redisKey(key));
  }
}

function* slices<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += KEYS_PER_CALL) yield items.slice(start, start + KEYS_PER_CALL);
}
