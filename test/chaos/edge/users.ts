import type { EdgeMemory } from "../../../src/edge/index.ts";
import type { Random } from "../../support/random.ts";
import { Edits } from "./edits.ts";
import type { Recorder } from "./recorder.ts";
import { DIMENSION, type EdgeUnderTest } from "./world.ts";

const HOT_MEMORIES = 3;
const DAY_MS = 86_400_000;

interface Writing {
  readonly privacy?: "full" | "redacted" | "local_only";
  readonly kind?: "edit" | "secret";
  /** An embedding that the hub refuses. */
  readonly isMisfit?: boolean;
}

/** The users of the edges: what they write, and what they know when they do. */
export class Users {
  readonly edits = new Edits();
  /** Messages that had passed when the memory `raised` became local_only; null: it did not. */
  raisedAt: number | null = null;
  /** Edits and deletions that were asked for. */
  count = 0;
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #edges: readonly EdgeUnderTest[];

  constructor(edges: readonly EdgeUnderTest[], random: Random, recorder: Recorder) {
    this.#edges = edges;
    this.#random = random;
    this.#recorder = recorder;
  }

  async write(edge: EdgeUnderTest): Promise<void> {
    const { index } = edge.setting;
    this.count += 1;
    const dice = this.#random.below(100);
    if (dice < 5) return await this.#put(edge, `kept-here-${index}`, { privacy: "local_only", kind: "secret" });
    if (dice < 10) return await this.#put(edge, `redacted-${index}`, { privacy: "redacted", kind: "secret" });
    if (dice < 14) return await this.#rateOthers(edge);
    if (dice < 24) return await this.#writeRaised(edge);
    // Nobody corrects this one: it ends among the dead letters.
    if (dice < 26) return await this.#put(edge, `misfit-${index}`, { isMisfit: true });
    if (dice < 34) return await this.#delete(edge, this.#hot());
    if (dice < 39) return await this.#put(edge, this.#hot(), { isMisfit: true });
    if (dice < 43) return await this.#writeLongAgo(edge);
    await this.#put(edge, this.#hot());
  }

  /** An edit and a kill at the same time: it is there afterwards, or it is not. */
  async writeAndDie(edge: EdgeUnderTest): Promise<void> {
    this.count += 1;
    await edge.killDuring(() => this.#put(edge, this.#hot()));
  }

  /** An edit of a hot memory between a push and its answer. */
  writeInFlight(edge: EdgeUnderTest): void {
    const { edits } = this;
    const memoryId = this.#hot();
    const name = edits.name("edit");
    edge.editInFlight({
      memoryId,
      memory: { content: name, memoryType: "note", importance: this.#importance(), metadata: { by: name } },
      onBegin: (before) => {
        this.count += 1;
        edits.begin(name, memoryId, before);
      },
      onAcknowledged: () => edits.acknowledge(name, memoryId),
    });
  }

  /** Decides one pending conflict. @returns whether there was one. */
  async decide(edge: EdgeUnderTest): Promise<boolean> {
    const pending = await edge.store.conflicts({ limit: 1_000 });
    if (pending.length === 0) return false;
    const { id } = this.#random.pick(pending);
    await edge.store.resolve(id, this.#random.pick(["local", "remote", "merge"] as const));
    return true;
  }

  /** Writes a fitting edit in the place of each refused one, and lets those be sent again that the hub could not take then. */
  async correct(edge: EdgeUnderTest): Promise<void> {
    for (const { memoryId, lastError } of await edge.store.queue({ errors: true })) {
      if (lastError?.code === "SYNC_RETRIES_EXCEEDED") await edge.store.retry(memoryId);
      if (memoryId.startsWith("misfit-")) continue;
      const before = await edge.store.get(memoryId);
      if (before !== null && isMisfit(before)) await this.#put(edge, memoryId);
    }
  }

  #hot(): string {
    return `hot-${this.#random.below(HOT_MEMORIES)}`;
  }

  #importance(): number {
    return this.#random.below(11) / 10;
  }

  async #put(edge: EdgeUnderTest, memoryId: string, writing: Writing = {}): Promise<void> {
    const { privacy = "full", kind = "edit", isMisfit = false } = writing;
    const content = this.edits.name(kind);
    const importance = this.#importance();
    const before = await edge.store.get(memoryId);
    this.edits.begin(content, memoryId, before?.content ?? null);
    const hasVector = this.#random.below(3) === 0;
    const embedding = isMisfit ? this.#vector(DIMENSION - 1) : hasVector ? this.#vector(DIMENSION) : null;
    const metadata = { by: content };
    await edge.store.put(memoryId, { content, memoryType: "note", importance, privacy, metadata, embedding });
    // Secrets are private: where their origin does not show them, no other side has them.
    if (kind === "edit") this.edits.acknowledge(content, memoryId);
  }

  #vector(dimension: number): number[] {
    return Array.from({ length: dimension }, () => 1 + this.#random.below(100));
  }

  async #delete({ store }: EdgeUnderTest, memoryId: string): Promise<void> {
    const before = await store.get(memoryId);
    if (before === null) return;
    this.edits.delete(memoryId, before.content);
    await store.delete(memoryId);
  }

  /** As if it had been written offline, 40 days ago. */
  async #writeLongAgo(edge: EdgeUnderTest): Promise<void> {
    edge.skewMs -= 40 * DAY_MS;
    try {
      await this.#put(edge, this.#hot());
    } finally {
      edge.skewMs += 40 * DAY_MS;
    }
  }

  /** Changes what may be seen of another edge's redacted memory. */
  async #rateOthers({ store }: EdgeUnderTest): Promise<void> {
    const memoryId = `redacted-${this.#random.below(this.#edges.length)}`;
    const importance = this.#importance();
    if ((await store.get(memoryId)) === null) return;
    await store.patch(memoryId, { importance });
  }

  /** A memory that all write, until the first edge makes it local_only. */
  async #writeRaised(edge: EdgeUnderTest): Promise<void> {
    const isOwner = edge === this.#edges[0];
    const mayRaise = this.#random.below(3) === 0;
    const before = await edge.store.get("raised");
    if (isOwner && this.raisedAt !== null)
      return await this.#put(edge, "raised", { privacy: "local_only", kind: "secret" });
    if (!isOwner && (before === null || before.withheld)) return;
    if (!isOwner || before === null || !mayRaise) return await this.#put(edge, "raised");
    // From the acknowledgement on nothing of it may leave; what is on its way by then has left.
    await this.#put(edge, "raised", { privacy: "local_only", kind: "secret" });
    this.raisedAt = this.#recorder.messages.length;
  }
}

function isMisfit({ embedding }: EdgeMemory): boolean {
  return embedding !== null && embedding.length !== DIMENSION;
}
