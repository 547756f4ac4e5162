import { type Cluster, Command, type Redis } from "ioredis";
import { type ArgumentGroup, PackedCommand } from "./packed-command.ts";
import type { RedisLink } from "./redis-client.ts";

/** A reply as it arrives, texts as buffers. */
export type RedisReply = Buffer | number | null | RedisReply[];

export interface SentCommand {
  readonly reply: Promise<RedisReply>;
  /** Frees the command's memory. Call it once the reply is there: a failed command may still be sent, or sent again. */
  release(): void;
}

/**
 * Sends a command without the driver's encoder (`PackedCommand`), and all commands of one turn of the event loop in one write
 * (`corkUntilTurnEnds`). A cluster's client reads the keys to find the server, so a cluster gets an ordinary command.
 */
export function sendCommand(link: RedisLink, name: string, groups: readonly ArgumentGroup[]): SentCommand {
  if (link.isCluster) {
    const command = new Command(name, groups.flat(), { replyEncoding: null });
    link.sendCommand(command);
    return { reply: command.promise as Promise<RedisReply>, release: () => undefined };
  }
  const command = new PackedCommand(name, groups);
  corkUntilTurnEnds((link as Redis).stream);
  link.sendCommand(command);
  return { reply: command.promise as Promise<RedisReply>, release: () => command.release() };
}

/** The servers that hold the keys, by name, in an order that stays the same for as long as the servers do. */
export function primariesOf(link: RedisLink): readonly { readonly name: string; readonly client: RedisLink }[] {
  if (!link.isCluster) return [{ name: "", client: link }];
  return (link as Cluster)
    .nodes("master")
    .map((client) => ({ name: `${client.options.host}:${client.options.port}`, client }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const corked = new WeakSet<Redis["stream"]>();

/**
 * Works around ioredis, which writes each command to its socket (`Redis.stream`) by itself: with many calls at a time
 * these writes take longer than everything else that is done for a call. The socket holds them back until the turn ends.
 */
function corkUntilTurnEnds(stream: Redis["stream"] | undefined): void {
  if (stream === undefined || corked.has(stream)) return; // Not connected yet; or corked already.
  corked.add(stream);
  stream.cork();
  process.nextTick(() => {
    corked.delete(stream);
    stream.uncork();
  });
}
