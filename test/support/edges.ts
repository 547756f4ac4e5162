import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { EdgeStore, type OpenExtras, type OpenOptions } from "../../src/edge/index.ts";
import { MemoryHub } from "./memory-hub.ts";

/** A clock that tests move. */
export class TestClock {
  ms = Date.parse("2026-01-01T12:00:00.000Z");
  readonly now = (): number => this.ms;
  advance(by: number): void {
    this.ms += by;
  }
}

/** A folder of the test's own, removed at its end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-edge-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A hub in memory, and edges that talk to it, all by one clock that the test moves. */
export function edgeWorld() {
  const clock = new TestClock();
  const folder = temporaryFolder();
  const hub = new MemoryHub(clock.now);
  let edges = 0;
  const open = async (options: Partial<OpenOptions> = {}, extras: OpenExtras = {}): Promise<EdgeStore> => {
    const path = options.path ?? join(folder, `edge-${++edges}.db`);
    const edge = await EdgeStore.open(
      { hub: (device) => hub.as(device), ...options, path },
      { now: clock.now, random: seeded(edges), inProcess: true, ...extras },
    );
    onTestFinished(() => edge.close());
    return edge;
  };
  return { clock, folder, hub, open };
}

/** The same numbers in each run. */
export function seeded(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}

/** A memory with this content. */
export function note(content: string, more: object = {}) {
  return { content, memoryType: "note", ...more };
}
