import { createHash } from "node:crypto";
import { Command, type Redis } from "ioredis";
import { isTimeout, untilAborted, withDeadline } from "../../lifecycle/deadline.ts";
import { redisError } from "./redis-errors.ts";

export type ScriptArgument = string | number | Buffer;

/** Replies as they come, texts as buffers. */
export type ScriptReply = Buffer | number | null | ScriptReply[];

/** Sends scripts by their digest, and in full to a server that does not know them yet. */
export class ScriptRunner {
  readonly #client: Redis;
  readonly #owned: boolean;
  readonly #callTimeoutMs: number;
  readonly #digests = new Map<string, string>();

  /**
   * @param owned whether the link may be cut when it went silent, so that the client makes a new one.
   * @param callTimeoutMs milliseconds that any call may take, whatever longer deadline its caller has.
   */
  constructor(client: Redis, owned: boolean, callTimeoutMs: number) {
    this.#client = client;
    this.#owned = owned;
    this.#callTimeoutMs = callTimeoutMs;
  }

  async run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ScriptArgument[],
    signal: AbortSignal,
  ): Promise<ScriptReply> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => this.#run(lua, keys, values, deadline));
  }

  async #run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ScriptArgument[],
    signal: AbortSignal,
  ): Promise<ScriptReply> {
    try {
      return await this.#send("EVALSHA", this.#digest(lua), keys, values, signal);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw redisError(error, signal);
    }
    try {
      return await this.#send("EVAL", lua, keys, values, signal);
    } catch (error) {
      throw redisError(error, signal);
    }
  }

  async #send(
    name: "EVAL" | "EVALSHA",
    script: string,
    keys: readonly ScriptArgument[],
    values: readonly ScriptArgument[],
    signal: AbortSignal,
  ): Promise<ScriptReply> {
    signal.throwIfAborted();
    const command = new Command(name, [script, keys.length, ...keys, ...values], { replyEncoding: null });
    this.#client.sendCommand(command);
    try {
      return await untilAborted(command.promise as Promise<ScriptReply>, signal);
    } catch (error) {
      // Replies come in order, so whatever is sent on this link from now on would wait behind the one that is late.
      if (this.#owned && signal.aborted && isTimeout(signal) && this.#client.status === "ready") {
        this.#client.disconnect(true);
      }
      throw error;
    }
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
