import { createHash } from "node:crypto";
import { type Cluster, Command, type Redis } from "ioredis";
import { isTimeout, untilAborted } from "../../runtime/deadline.ts";
import { withSharedDeadline } from "../../runtime/shared-deadline.ts";
import { PackedCommand } from "./packed-command.ts";
import { redisError } from "./redis-errors.ts";

export type ScriptArgument = string | number | Buffer;

/** Some consecutive arguments of a command: thousands of them need not be put into one array first. */
export type ArgumentGroup = readonly ScriptArgument[];

/** Replies as they come, texts as buffers. */
export type ScriptReply = Buffer | number | null | ScriptReply[];

/** Sends scripts by their digest, and in full to a server that does not know them yet. */
export class ScriptRunner {
  readonly #client: Redis | Cluster;
  readonly #owned: boolean;
  readonly #callTimeoutMs: number;
  readonly #digests = new Map<string, string>();

  /**
   * @param owned whether the link may be cut when it went silent, so that the client makes a new one.
   * @param callTimeoutMs milliseconds that any call may take, whatever longer deadline its caller has.
   */
  constructor(client: Redis | Cluster, owned: boolean, callTimeoutMs: number) {
    this.#client = client;
    this.#owned = owned;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** @param node where a script without keys is to run; a script with keys finds its way. */
  async run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ScriptArgument[],
    signal: AbortSignal,
    node: Redis | Cluster = this.#client,
  ): Promise<ScriptReply> {
    return await withSharedDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#run(lua, keys, [values], deadline, node),
    );
  }

  /**
   * Runs a script that answers a list with one item per key: in one call on one server. On a cluster, where the keys of a
   * call must share a slot, in a call for each key, all of them sent before the first answer is waited for.
   * @param shared the script's first arguments. @param each the further ones of each key, in order.
   */
  async runEach(
    lua: string,
    keys: readonly ScriptArgument[],
    shared: readonly ScriptArgument[],
    each: readonly (readonly ScriptArgument[])[],
    signal: AbortSignal,
  ): Promise<ScriptReply[]> {
    if (!this.#client.isCluster) {
      return (await withSharedDeadline(this.#callTimeoutMs, signal, (deadline) =>
        this.#run(lua, keys, [shared, ...each], deadline, this.#client),
      )) as ScriptReply[];
    }
    const replies = await withSharedDeadline(this.#callTimeoutMs, signal, (deadline) =>
      Promise.all(keys.map((key, index) => this.#run(lua, [key], [shared, each[index] ?? []], deadline, this.#client))),
    );
    return replies.map((reply) => (reply as ScriptReply[])[0] ?? null);
  }

  /** The fields and values of a hash, in turns; none where there is no such key, null where it is something else. */
  hash(key: string, signal: AbortSignal): Promise<ScriptReply[] | null> {
    return withSharedDeadline(this.#callTimeoutMs, signal, (deadline) => this.#hash(key, deadline));
  }

  async #hash(key: string, signal: AbortSignal): Promise<ScriptReply[] | null> {
    try {
      return (await this.#send("HGETALL", [[key]], signal, this.#client)) as ScriptReply[];
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("WRONGTYPE")) return null;
      throw redisError(error, signal);
    }
  }

  /** The servers that hold the keys, in an order that stays the same for as long as they do. */
  nodes(): readonly { readonly name: string; readonly client: Redis | Cluster }[] {
    if (!this.#client.isCluster) return [{ name: "", client: this.#client }];
    return (this.#client as Cluster)
      .nodes("master")
      .map((client) => ({ name: `${client.options.host}:${client.options.port}`, client }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #run(
    lua: string,
    keys: readonly ScriptArgument[],
    values: readonly ArgumentGroup[],
    signal: AbortSignal,
    node: Redis | Cluster,
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
    node: Redis | Cluster,
  ): Promise<ScriptReply> {
    signal.throwIfAborted();
    // A cluster's client looks at the keys to find the server.
    const command = node.isCluster
      ? new Command(name, args.flat(), { replyEncoding: null })
      : new PackedCommand(name, args);
    if (command instanceof PackedCommand) sendTogether((node as Redis).stream);
    node.sendCommand(command);
    try {
      const reply = await untilAborted(command.promise as Promise<ScriptReply>, signal);
      // A server answers once it has read the whole command. One that failed may still be on its way, or be sent again.
      if (command instanceof PackedCommand) command.release();
      return reply;
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

const held = new WeakSet<Redis["stream"]>();

/**
 * What is sent from now on in this turn of the event loop goes out in one write: of many calls at a time each would pay for
 * one of its own, which takes longer than all else that is done for it.
 */
function sendTogether(stream: Redis["stream"] | undefined): void {
  if (stream === undefined || held.has(stream)) return; // Not connected yet; or held already.
  held.add(stream);
  stream.cork();
  process.nextTick(() => {
    held.delete(stream);
    stream.uncork();
  });
}
