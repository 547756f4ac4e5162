import { createHash } from "node:crypto";

/** Names of Redis scripts by their digests, as EVALSHA has them. */
export async function scriptNames(): Promise<Map<string, string>> {
  const scripts = (await import(new URL("../../dist/stores/redis/scripts.js", import.meta.url).href)) as object;
  const named = Object.entries(scripts).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return new Map(named.map(([name, lua]) => [createHash("sha1").update(lua).digest("hex"), name]));
}

/** What one connection to Redis says, both ways. */
export class RedisWire {
  readonly #scripts: ReadonlyMap<string, string>;
  #left = Buffer.alloc(0);

  constructor(scripts: ReadonlyMap<string, string>) {
    this.#scripts = scripts;
  }

  sent(bytes: Buffer): { what: string; answers: number } {
    const commands: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = replyEnd(bytes, at);
      if (end === null) break;
      const [name = "", first = ""] = bytes
        .toString("latin1", at, Math.min(end, at + 200))
        .split("\r\n")
        .slice(2)
        .filter(isText);
      commands.push(this.#scripts.has(first) ? `script ${this.#scripts.get(first)}` : name.toUpperCase());
      at = end;
    }
    return { what: commands.join("; ") || "part of a command", answers: commands.length };
  }

  /** @returns how many replies are complete. */
  received(bytes: Buffer): number {
    const all = this.#left.length === 0 ? bytes : Buffer.concat([this.#left, bytes]);
    let replies = 0;
    let at = 0;
    for (let end = replyEnd(all, at); end !== null; end = replyEnd(all, at)) {
      replies++;
      at = end;
    }
    this.#left = Buffer.from(all.subarray(at));
    return replies;
  }
}

/** Lengths stand between the texts. */
function isText(_line: string, index: number): boolean {
  return index % 2 === 0;
}

/** Where the value that begins at `start` ends; null: it is not all there. */
function replyEnd(bytes: Buffer, start: number): number | null {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (start >= bytes.length || lineEnd < 0) return null;
  const type = String.fromCharCode(bytes[start] as number);
  const count = Number(bytes.toString("latin1", start + 1, lineEnd));
  let at = lineEnd + 2;
  if (type === "$") at += Math.max(count, -2) + 2;
  if (type === "*") {
    for (let item = 0; item < count; item++) {
      const end = replyEnd(bytes, at);
      if (end === null) return null;
      at = end;
    }
  }
  return at <= bytes.length ? at : null;
}
