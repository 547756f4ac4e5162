import { createHash } from "node:crypto";
import type { ArgumentGroup, CommandArgument } from "../../drivers/redis/packed-command.ts";
import type { RedisLink } from "../../drivers/redis/redis-client.ts";
import { primariesOf, type RedisReply, sendCommand } from "../../drivers/redis/send-command.ts";
import { isTimeout, untilAborted } from "../../runtime/deadline.ts";
import { withSharedDeadline } from "../../runtime/shared-deadline.ts";
import { redisError } from "./redis-errors.ts";

export type ScriptArgument = CommandArgument;
export type ScriptReply = RedisReply;

/**
 * Milliseconds without any reply after which a timed-out call may close the connection. A shorter time-out reflects the
 * caller's deadline, not the connection: one caller's reads with 3 ms deadlines closed the connection of all others.
 */
const LINK_SILENCE_MS = 250;

/** Rejects when the store must not be used. */
export type Guard = (signal: AbortSignal) => Promise<void> | undefined;

/** Calls scripts by digest (EVALSHA), and in full (EVAL) on a server that has not cached them yet. */
export class ScriptRunner {
  readonly #client: RedisLink;
  readonly #owned: boolean;
  readonly #callTimeoutMs: number;
  /** Time of the last reply, by `performance.now()`. */
  #repliedAt = 0;
  readonly #guard: Guard | undefined;
  readonly #digests = new Map<string, string>();

  /**
   * @param guard runs before each call; returns undefined when there is nothing to wait for.
   * @param owned whether a silent connection may be closed, so that the client reconnects.
   * @param callTimeoutMs timeout of a call in milliseconds; caps a caller's longer deadline.
   */
  constructor(client: RedisLink, owned: boolean, callTimeoutMs: number, guard?: Guard) {
    this.#guard = guard;
    this.#client = client;
    this.#owned = owned;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** @param node target of a script without keys; the client routes a script with keys. */
  async run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ScriptArgument[],
    signal: AbortSignal,
    node: RedisLink = this.#client,
  ): Promise<ScriptReply> {
    return await this.#within(signal, (deadline) => this.#run(lua, keys, [values], deadline, node));
  }

  /**
   * Runs a script that returns one item per key. A single server gets one call. A cluster, where the keys of a call must
   * share a slot, gets one call per key, pipelined.
   * @param shared leading arguments of the script. @param each further arguments of each key, in order.
   */
  async runEach(
    lua: string,
    keys: readonly ScriptArgument[],
    shared: readonly ScriptArgument[],
    each: readonly (readonly ScriptArgument[])[],
    signal: AbortSignal,
  ): Promise<ScriptReply[]> {
    if (!this.#client.isCluster) {
      return (await this.#within(signal, (deadline) =>
        this.#run(lua, keys, [shared, ...each], deadline, this.#client),
      )) as ScriptReply[];
    }
    const replies = await this.#within(signal, (deadline) =>
      Promise.all(keys.map((key, index) => this.#run(lua, [key], [shared, each[index] ?? []], deadline, this.#client))),
    );
    return replies.map((reply) => (reply as ScriptReply[])[0] ?? null);
  }

  /** The alternating fields and values of a hash; empty when the key does not exist, null when it is not a hash. */
  hash(key: string, signal: AbortSignal): Promise<ScriptReply[] | null> {
    return this.#within(signal, (deadline) => this.#hash(key, deadline));
  }

  #within<T>(signal: AbortSignal, work: (deadline: AbortSignal) => Promise<T>): Promise<T> {
    return withSharedDeadline(this.#callTimeoutMs, signal, (deadline) => {
      const guarded = this.#guard?.(deadline);
      return guarded === undefined ? work(deadline) : guarded.then(() => work(deadline));
    });
  }

  async #hash(key: string, signal: AbortSignal): Promise<ScriptReply[] | null> {
    try {
      return (await this.#send("HGETALL", [[key]], signal, this.#client)) as ScriptReply[];
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("WRONGTYPE")) return null;
      throw redisError(error, signal);
    }
  }

  /** The servers that hold the keys, in a stable order. */
  nodes(): ReturnType<typeof primariesOf> {
    return primariesOf(this.#client);
  }

  async #run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ArgumentGroup[],
    signal: AbortSignal,
    node: RedisLink,
  ): Promise<ScriptReply> {
    try {
      return await this.#send("EVALSHA", [[this.#digest(lua), keys.length], keys, ...values], signal, node);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw redisError(error, signal);
    }
    try {
      return await this.#send("EVAL", [[lua, keys.length], keys, ...values], signal, node);
    } catch (error) {
      throw redisError(error, signal);
    }
  }

  async #send(
    name: "EVAL" | "EVALSHA" | "HGETALL",
    args: readonly ArgumentGroup[],
    signal: AbortSignal,
    node: RedisLink,
  ): Promise<ScriptReply> {
    signal.throwIfAborted();
    const sentAt = performance.now();
    const command = sendCommand(node, name, args);
    command.reply.then(this.#heard, this.#heard);
    try {
      const reply = await untilAborted(command.reply, signal);
      command.release();
      return reply;
    } catch (error) {
      // Replies arrive in order, so all later calls on this connection would wait for the late reply.
      if (this.#owned && signal.aborted && isTimeout(signal) && this.#isSilentSince(sentAt)) {
        this.#client.disconnect(true);
      }
      throw error;
    }
  }

  readonly #heard = (): void => {
    this.#repliedAt = performance.now();
  };

  /** Whether the connection is open and silent for too long. In a cluster, one server's replies prove nothing about another. */
  #isSilentSince(sentAt: number): boolean {
    const since = this.#client.isCluster ? sentAt : Math.max(sentAt, this.#repliedAt);
    return this.#client.status === "ready" && performance.now() - since >= LINK_SILENCE_MS;
  }

  #digest(lua: string): string {
    let digest = this.#digests.get(lua);
    if (digest === undefined) {
      digest = createHash("sha1").update(lua).digest("hex");
      this.#digests.set(lua, digest);
    }
    return digest;
  }
}
