import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MediaFolder } from "../../../src/connectors/media/media-folder.ts";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../../src/connectors/memory-space/source.ts";
import { runSource, type SourceRunOptions } from "../../../src/connectors/run/source-run.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import type { DeadLetter, RunRecord } from "../../../src/connectors/state/state.ts";
import { MemorySpaceServer } from "./memory-space-server.ts";
import { MemoryTarget } from "./memory-target.ts";

interface Put {
  readonly type?: string;
  readonly etag?: string;
  readonly modified?: string;
  readonly tags?: string[];
}

const signal = new AbortController().signal;

export const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
/** The memory of an item. */
export const holder = (id: string) => ({ namespace: "default", memoryId: `memory-space/${id}` });

/** A connector that fetches files: its folder, the service and the target of a test. */
export class MediaWorld {
  readonly folder: string;
  readonly server: MemorySpaceServer;
  readonly target = new MemoryTarget();
  readonly media: MediaFolder;

  private constructor(folder: string, server: MemorySpaceServer) {
    this.folder = folder;
    this.server = server;
    this.media = new MediaFolder(join(folder, "media"));
  }

  static async open(): Promise<MediaWorld> {
    return new MediaWorld(await mkdtemp(join(tmpdir(), "connector-media-")), await MemorySpaceServer.start());
  }

  async close(): Promise<void> {
    await this.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  put(id: string, bytes: Buffer | null, more: Put = {}): void {
    const { type = "audio/ogg;codecs=opus", etag, modified, tags = ["keep"] } = more;
    const audio = bytes !== null;
    this.server.put({ id, created_at: new Date().toISOString(), transcript: `text of ${id}`, audio, tags });
    if (bytes !== null)
      this.server.media.set(`${id}/audio`, {
        ...{ type, bytes },
        ...(etag !== undefined && { etag }),
        ...(modified !== undefined && { modified }),
      });
  }

  async run(options: Partial<SourceRunOptions> = {}): Promise<RunRecord> {
    const { server, target } = this;
    const state = await JsonState.open(join(this.folder, "state.json"));
    const client = new MemorySpaceClient(
      { url: server.url, context: server.context, apiKey: "secret-key" },
      { pause: async () => undefined },
    );
    const source = new MemorySpaceSource(client, { media: { kinds: ["audio", "image"], tags: ["keep"] } }, this.media);
    const record = await runSource({ source, target, state }, { scope: "full", ...options }, signal);
    await state.close();
    if ("running" in record) throw new Error("another run has the connector");
    return record;
  }

  async letters(): Promise<readonly DeadLetter[]> {
    const state = await JsonState.open(join(this.folder, "state.json"));
    return await state.deadLetters(10);
  }

  audioRequests() {
    return this.server.requests.filter(({ url }) => url.endsWith("/audio"));
  }

  /** Hashes of the files that are kept for somebody. */
  async stored(): Promise<string[]> {
    const names: string[] = [];
    for await (const { sha256 } of this.media.held()) names.push(sha256);
    return [...new Set(names)].sort();
  }

  async holdersOf(bytes: Buffer): Promise<string[]> {
    const found: string[] = [];
    for await (const { memoryId } of this.media.holders(hashOf(bytes))) found.push(memoryId);
    return found.sort();
  }

  /** Where bytes are kept. */
  pathOf(bytes: Buffer): string {
    return join(this.folder, "media", hashOf(bytes).slice(0, 2), hashOf(bytes));
  }

  /** Downloads that are not complete. */
  async partials(): Promise<string[]> {
    return (await readdir(join(this.folder, "media", "partial"))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }
}
