import { LightRagClient } from "../../../src/connectors/lightrag/client.ts";
import type { Receipt } from "../../../src/connectors/lightrag/judge.ts";
import { documentName } from "../../../src/connectors/lightrag/names.ts";
import { LightRagSink, type LightRagSinkOptions } from "../../../src/connectors/lightrag/sink.ts";
import { documentText } from "../../../src/connectors/lightrag/text.ts";
import { ServiceError } from "../../../src/connectors/service/service-error.ts";
import { LightRagServer } from "./lightrag-server.ts";
import type { LightRagVersion, StoredDocument } from "./lightrag-state.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** What is to be at the server in the end: texts by name; null: the name is to be gone. */
export type Wishes = ReadonlyMap<string, string | null>;

const PASSES_MAX = 400;
const PASS_MS = 2_000;

/** A sink at a stand-in of LightRAG whose time the test moves. */
export class LightRagRun {
  readonly server: LightRagServer;
  readonly clock: VirtualClock;
  readonly client: LightRagClient;
  readonly delivered = new Map<string, string>();
  readonly failed = new Map<string, string>();
  sink: LightRagSink;
  readonly #signal = new AbortController().signal;
  readonly #options: LightRagSinkOptions;

  private constructor(server: LightRagServer, clock: VirtualClock, options: LightRagSinkOptions) {
    this.server = server;
    this.clock = clock;
    this.#options = { now: () => clock.now(), ...options };
    this.client = new LightRagClient(
      { url: server.url, apiKey: "rag-key", timeoutMs: 5_000 },
      { pause: async (milliseconds) => clock.advance(milliseconds), random: () => 0.5 },
    );
    this.sink = new LightRagSink(this.client, this.#options);
  }

  static async start(version: LightRagVersion, options: LightRagSinkOptions = {}): Promise<LightRagRun> {
    const clock = new VirtualClock();
    return new LightRagRun(await LightRagServer.start({ version, clock }), clock, options);
  }

  /** The sending process starts again: what the sink knew without its receipts is gone. */
  restartSink(): void {
    this.sink = new LightRagSink(this.client, this.#options);
  }

  /** Works until every wish is fulfilled or has failed. @param between called before each pass, e.g. to kill something. */
  async fulfil(wishes: Wishes, between: (pass: number) => void = () => undefined): Promise<void> {
    const receipts = new Map<string, Receipt>();
    const gone = new Set<string>();
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      between(pass);
      const texts = [...wishes].filter(
        ([name, text]) => text !== null && !this.delivered.has(name) && !this.failed.has(name),
      );
      const doomed = [...wishes].filter(([name, text]) => (text === null || this.failed.has(name)) && !gone.has(name));
      if (texts.length === 0 && doomed.length === 0) return;
      try {
        for (const [name, text] of texts) if (!receipts.has(name)) await this.#deliver(name, text ?? "", receipts);
        this.clock.advance(50);
        await this.#settle(receipts);
        const names = doomed.map(([name]) => name);
        const left = new Set(names.length === 0 ? [] : await this.sink.remove(names, this.#signal));
        for (const name of names) if (!left.has(name)) gone.add(name);
      } catch (error) {
        if (!(error instanceof ServiceError) || !error.retryable) throw error;
      }
      this.clock.advance(PASS_MS);
    }
    throw new Error(`not done after ${PASSES_MAX} passes: ${JSON.stringify([...receipts.values()])}`);
  }

  documents(): StoredDocument[] {
    return [...this.server.state.documents.values()];
  }

  async #deliver(name: string, text: string, receipts: Map<string, Receipt>): Promise<void> {
    const delivery = await this.sink.deliver({ name, text }, this.#signal);
    if (delivery.outcome === "sent") receipts.set(name, delivery.receipt);
    if (delivery.outcome === "taken") await this.sink.remove([name], this.#signal);
  }

  async #settle(receipts: Map<string, Receipt>): Promise<void> {
    const open = [...receipts.values()];
    const settled = open.length === 0 ? [] : await this.sink.settle(open, this.#signal);
    for (const [index, settlement] of settled.entries()) {
      const { name } = open[index] as Receipt;
      if (settlement.outcome === "open") {
        receipts.set(name, settlement.receipt);
        continue;
      }
      receipts.delete(name);
      if (settlement.outcome === "delivered") this.delivered.set(name, settlement.documentId);
      if (settlement.outcome === "failed") this.failed.set(name, settlement.reason);
    }
  }
}

export const keyOf = (memoryId: string, version = 1) => ({
  connectorId: "c1",
  namespace: "default",
  memoryId,
  version,
});
export const nameOf = (memoryId: string, version = 1) => documentName(keyOf(memoryId, version));
export const textOf = (memoryId: string, body: string, version = 1) =>
  documentText(keyOf(memoryId, version), body) as string;

/** Names and states of what the server holds. */
export const held = (run: LightRagRun) =>
  run
    .documents()
    .map(({ name, status }) => `${name} ${status}`)
    .sort();

export function wishes(count: number, body = "the same content"): Map<string, string | null> {
  return new Map(Array.from({ length: count }, (_, index) => [nameOf(`m${index}`), textOf(`m${index}`, body)]));
}

export const processed = (names: Iterable<string>) => [...names].map((name) => `${name} processed`).sort();
