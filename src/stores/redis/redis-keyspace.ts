import { BucketDigests, type BucketSet } from "../../domain/buckets.ts";
import { entryDigest } from "../../domain/checksum.ts";
import { StoreUnavailableError } from "../../domain/errors.ts";
import { bucketOf, type MemoryKey } from "../../domain/keys.ts";
import type { ScanOptions, ScanPage, StoredEntry } from "../projection.ts";
import { PageDigest } from "./page-digest.ts";
import { isOtherFormat, type RedisCodec } from "./redis-codec.ts";
import type { ScriptReply, ScriptRunner } from "./script-runner.ts";
import { COUNT, DIGEST, KEYS, SCAN } from "./scripts.ts";

interface ScriptPage {
  readonly reply: ScriptReply;
  /** Null at the end. */
  readonly next: string | null;
}

/** Reads entries without their data. */
type ReadEntries = (keys: readonly MemoryKey[], signal: AbortSignal) => Promise<(StoredEntry | null)[]>;

/** Keys per script call of a digest: a few milliseconds of the server's time, and of this process's. */
const DIGEST_PAGE = 2_000;

/** All keys of memories, page by page: scans, the digest, the count. */
export class RedisKeyspace {
  readonly #scripts: ScriptRunner;
  readonly #codec: RedisCodec;
  readonly #read: ReadEntries;

  constructor(scripts: ScriptRunner, codec: RedisCodec, read: ReadEntries) {
    this.#scripts = scripts;
    this.#codec = codec;
    this.#read = read;
  }

  async scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage> {
    const { limit = 1_000, buckets } = options;
    if (buckets !== undefined) return await this.#scanBuckets(cursor, buckets, signal);
    const { reply, next } = await this.#page(SCAN, cursor, limit, signal);
    const [, keys, fields] = reply as [Buffer, Buffer[], ScriptReply[]];
    const entries: StoredEntry[] = [];
    keys.forEach((redisKey, index) => {
      const key = this.#codec.parseKey(redisKey.toString());
      const entry = this.#codec.entry(key, fields[index], false);
      if (entry !== null && !isOtherFormat(entry)) entries.push(entry);
    });
    return { entries, cursor: next };
  }

  /** Filters by key name first: most keys are outside of the buckets, and their fields are never read. */
  async #scanBuckets(cursor: string | null, buckets: BucketSet, signal: AbortSignal): Promise<ScanPage> {
    const { reply, next } = await this.#page(KEYS, cursor, DIGEST_PAGE, signal);
    const [, names] = reply as [Buffer, Buffer];
    const keys = names
      .toString()
      .split("\u0000")
      .slice(0, -1)
      .map((name) => this.#codec.parseKey(name))
      .filter((key) => buckets.has(bucketOf(key)));
    const entries = keys.length === 0 ? [] : await this.#read(keys, signal);
    return {
      entries: entries.flatMap((entry) => (entry === null || isOtherFormat(entry) ? [] : [entry])),
      cursor: next,
    };
  }

  async digest(signal: AbortSignal): Promise<BucketDigests> {
    const digests = new BucketDigests();
    const pages = new PageDigest(this.#codec.keyPrefix, digests);
    const ask = (cursor: string | null): Promise<ScriptPage> => {
      const page = this.#page(DIGEST, cursor, DIGEST_PAGE, signal);
      page.catch(() => undefined); // Handles the rejection until the page is awaited.
      return page;
    };
    let cursor: string | null = null;
    let asked: Promise<ScriptPage> | null = ask(null);
    while (asked !== null) {
      const { reply, next }: ScriptPage = await asked;
      // Prefetch: the server collects the next page while this process sums the current one.
      asked = next === null ? null : ask(next);
      const [, page, malformed, count] = reply as [Buffer, Buffer, Buffer[], number];
      if (pages.add(page, count)) for (const key of malformed) pages.addMalformed(this.#codec.parseKey(key.toString()));
      else await this.#addEach(cursor, pages, digests, signal);
      cursor = next;
    }
    return digests;
  }

  /** Adds a page in which a key or a field contains a NUL, which no entry of this program does: entry by entry. */
  async #addEach(cursor: string | null, pages: PageDigest, digests: BucketDigests, signal: AbortSignal): Promise<void> {
    const { entries } = await this.scan(cursor, { limit: DIGEST_PAGE }, signal);
    for (const entry of entries) {
      if (entry.state === "malformed") pages.addMalformed(entry);
      else if (entry.state === "live") {
        digests.addHex(bucketOf(entry), entryDigest(entry, entry.version, entry.checksum));
      }
    }
  }

  async count(signal: AbortSignal): Promise<number> {
    let live = 0;
    let cursor: string | null = null;
    do {
      const page: ScriptPage = await this.#page(COUNT, cursor, 5_000, signal);
      live += (page.reply as [Buffer, number])[1];
      cursor = page.next;
    } while (cursor !== null);
    return live;
  }

  /** One page of a scan over all keys, server by server. On a cluster the cursor also names the server. */
  async #page(lua: string, cursor: string | null, limit: number, signal: AbortSignal): Promise<ScriptPage> {
    const nodes = this.#scripts.nodes();
    const cut = cursor?.indexOf("@") ?? -1;
    const name = cut < 0 ? nodes[0]?.name : cursor?.slice(cut + 1);
    const index = nodes.findIndex((node) => node.name === name);
    const node = nodes[index];
    if (node === undefined) {
      throw new StoreUnavailableError(
        "redis",
        "the cluster's servers changed during a scan of its keys: restart the scan",
      );
    }
    const position = cursor === null ? "0" : cut < 0 ? cursor : cursor.slice(0, cut);
    const reply = await this.#scripts.run(lua, [], [position, this.#codec.pattern, limit], signal, node.client);
    const own = ((reply as ScriptReply[])[0] as Buffer).toString();
    if (own !== "0") return { reply, next: node.name === "" ? own : `${own}@${node.name}` };
    const following = nodes[index + 1];
    return { reply, next: following === undefined ? null : `0@${following.name}` };
  }
}
