import { setTimeout as pause } from "node:timers/promises";

/** What the process that writes is told to do: its argument, as JSON. */
export interface WritersOrder {
  readonly base: string;
  readonly key: string;
  readonly seconds: number;
  readonly writers: number;
  /** Ids are `m0` … */
  readonly memories: number;
  readonly dimension: number;
  /** Of all writers together; 0: as fast as they are answered. */
  readonly writesPerSecond: number;
}

// Writes over HTTP for as long as it is told to, says how many writes there were, and ends.
const order: WritersOrder = JSON.parse(process.argv[2] ?? "{}");
const { base, key, seconds, writers, memories, dimension, writesPerSecond } = order;
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const endsAt = performance.now() + seconds * 1_000;
const waitMs = writesPerSecond === 0 ? 0 : (writers * 1_000) / writesPerSecond;
let written = 0;

await Promise.all(
  Array.from({ length: writers }, async (_, writer) => {
    for (let turn = 0; performance.now() < endsAt; turn++) {
      const due = performance.now() + waitMs;
      const number = (turn * writers + writer) % memories;
      const embedding = Array.from({ length: dimension }, (_, index) => Math.sin(number * 31 + index * 7));
      const body = JSON.stringify({ content: `turn ${turn}`, memoryType: "episodic", embedding });
      const url = `${base}/v1/namespaces/default/memories/m${number}`;
      const response = await fetch(url, { method: "PUT", headers, body });
      if (!response.ok) throw new Error(`a write: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
      written++;
      await pause(Math.max(0, due - performance.now()));
    }
  }),
);
process.stdout.write(`${written}\n`);
