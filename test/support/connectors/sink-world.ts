import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { LightRagClient } from "../../../src/connectors/lightrag/client.ts";
import { LightRagSink } from "../../../src/connectors/lightrag/sink.ts";
import type { Sink } from "../../../src/connectors/run/sink.ts";
import { runSink } from "../../../src/connectors/run/sink-run.ts";
import { TRANSFORMS } from "../../../src/connectors/run/transform.ts";
import { JsonSinkState } from "../../../src/connectors/state/json-sink-state.ts";
import type { RunRecord } from "../../../src/connectors/state/state.ts";
import { LightRagServer } from "./lightrag-server.ts";
import type { LightRagVersion } from "./lightrag-state.ts";
import { MemoryFeedDouble } from "./memory-feed.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface SinkRunOptions {
  readonly transform?: keyof typeof TRANSFORMS;
  readonly signal?: AbortSignal;
  readonly retriesMax?: number;
  readonly inFlightMax?: number;
  /** Called in each pause. */
  readonly meanwhile?: () => void;
  /** False: no time passes in pauses. @default true */
  readonly timePasses?: boolean;
}

/** A feed, a stand-in of LightRAG whose time the test moves, and runs between them. Each run is a process of its own. */
export class SinkWorld {
  readonly feed = new MemoryFeedDouble();
  readonly clock: VirtualClock;
  readonly server: LightRagServer;
  /** The file of the state. */
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string, clock: VirtualClock, server: LightRagServer) {
    this.#folder = folder;
    this.path = join(folder, "state.json");
    this.clock = clock;
    this.server = server;
  }

  static async open(version: LightRagVersion = "1.5.6"): Promise<SinkWorld> {
    const clock = new VirtualClock();
    return new SinkWorld(
      await mkdtemp(join(tmpdir(), "sink-run-")),
      clock,
      await LightRagServer.start({ version, clock }),
    );
  }

  async close(): Promise<void> {
    await this.server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** It knows what is in the file, and nothing else. */
  async run(options: SinkRunOptions = {}): Promise<RunRecord> {
    const { transform = "plain", signal = new AbortController().signal, retriesMax = 100 } = options;
    await rm(`${this.path}.lock`, { force: true });
    const state = await JsonSinkState.open(this.path);
    const pause = async (milliseconds: number) => {
      this.clock.advance(options.timePasses === false ? 0 : milliseconds);
      options.meanwhile?.();
    };
    const now = () => this.clock.now();
    const client = new LightRagClient({ url: this.server.url, apiKey: "rag-key" }, { pause, random: () => 0.5 });
    const sink = new LightRagSink(client, { connectorId: "c1", retriesMax, now }) as Sink<unknown>;
    const parts = { feed: this.feed, sink, state, transform: TRANSFORMS[transform], now, pause };
    const { inFlightMax } = options;
    const record = await runSink(parts, { ...(inFlightMax !== undefined && { inFlightMax }) }, signal).finally(() =>
      state.close(),
    );
    if ("running" in record) throw new Error("another run has the connector");
    return record;
  }

  /** A run that ends as soon as texts were sent: none is settled, and no time has passed. */
  async stopOnceSent(): Promise<void> {
    const abort = new AbortController();
    await this.run({ signal: abort.signal, meanwhile: () => abort.abort(), timePasses: false });
  }

  /** Contents of what the server has processed, each as often as it has it. Fails where it holds anything else. */
  held(): string[] {
    const documents = [...this.server.state.documents.values()];
    expect(documents.filter(({ status }) => status !== "processed")).toEqual([]);
    return documents.map(({ text }) => text.split("\n").slice(2).join("\n")).sort();
  }

  inserts(): number {
    return this.server.requests.filter(({ path }) => path === "/documents/text").length;
  }
}

/** A world for each test of a file, of version 1.5.6 at first. */
export function useSinkWorlds() {
  let world: SinkWorld;
  beforeEach(async () => {
    world = await SinkWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });
  return {
    get current(): SinkWorld {
      return world;
    },
    async restart(version: LightRagVersion): Promise<void> {
      await world.close();
      world = await SinkWorld.open(version);
    },
  };
}
