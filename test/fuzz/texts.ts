import { createHash } from "node:crypto";
import type { Random } from "../support/random.ts";
import type { Schema } from "./document.ts";
import type { Pools } from "./generate.ts";

/** Texts for fields and parameters, by their names: the document says what form they have, and not what they may name. */

export const WORDS = [
  "rome",
  "a meeting at noon",
  "the budget",
  "é",
  "🧠",
  "line\nbreak",
  '"quoted"',
  "\\",
  "ﬀ",
  "naïve café",
];

/** Filters of memories, as `where` takes them. */
export const FILTERS: readonly object[] = [
  {},
  { memoryType: { eq: "episodic" } },
  { importance: { gte: 0.2 } },
  { memoryId: { in: ["m1", "m2"] } },
  { "metadata.source": { exists: true } },
  { "metadata.tags": { contains: "keep" } },
];

/** A port that nothing listens on: deliveries fail at once, without a look-up of names. */
export const RECEIVER = "http://127.0.0.1:9/hooks";
export const WEBHOOK_SECRET = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

/** A connector to a service that is not there, and its id. */
export const CONNECTOR = {
  from: { type: "memory-space", url: "http://127.0.0.1:9", context: "c", attemptsMax: 1 },
} as const;
export const CONNECTOR_ID = "stays";

/** A file that the tour's connector fetches, and its hash. */
export const SOUND = Buffer.from("a sound of the tour");
export const SOUND_SHA256 = createHash("sha256").update(SOUND).digest("hex");

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

export function ulid(random: Random): string {
  return `01${Array.from({ length: 24 }, () => CROCKFORD[random.below(32)]).join("")}`;
}

export function textOf(schema: Schema, name: string, random: Random, pools: Pools): string {
  if (name === "namespace" || name === "namespaces") return random.pick(pools.namespaces);
  if (/^(memoryIds?|afterMemoryId)$/.test(name)) return random.pick(pools.memoryIds);
  if (/transactionId/i.test(name)) return random.pick(pools.known.of("transaction"));
  if (/jobId/i.test(name)) return random.pick(pools.known.of("job"));
  if (name === "erasureId" || name === "before") return random.pick(pools.known.of("erasure"));
  if (name === "subscriptionId") return random.pick(pools.known.of("subscription"));
  if (name === "conflictId") return random.pick(pools.known.of("conflict"));
  if (/cursor|last-event-id/i.test(name)) return random.pick(pools.known.of("cursor"));
  if (name === "epoch") return random.pick(pools.known.of("epoch"));
  if (name === "Mcp-Session-Id") return random.pick(pools.known.of("session"));
  if (name === "MCP-Protocol-Version") return random.pick(["2025-06-18", "2025-03-26", "yesterday"]);
  if (name === "runId") return random.pick(pools.known.of("run"));
  if (name === "connectorId") return random.pick([CONNECTOR_ID, "made-1", "nothing"]);
  if (name === "sha256") return random.pick([SOUND_SHA256, "0".repeat(64)]);
  if (name === "id") return random.pick([ulid(random), CONNECTOR_ID, "made-1"]);
  if (name === "device") return random.pick(pools.devices);
  if (name === "storeId") return random.pick(["redis", "faiss", "nowhere"]);
  if (name === "after") return random.pick([String(random.below(20)), ulid(random), "laptop"]);
  if (name === "where") return JSON.stringify(random.pick(FILTERS));
  if (name === "orderBy") return random.pick(["memoryId asc", "memoryId desc", "modifiedAt desc", "createdAt asc"]);
  if (name === "url") return random.pick([RECEIVER, `${RECEIVER}/${random.below(3)}`, "https://[::1]/", "a word"]);
  if (name === "secret") return random.pick([WEBHOOK_SECRET, "whsec_short"]);
  if (schema.format === "date-time") return new Date(Date.UTC(2030 + random.below(50), 0, 1)).toISOString();
  if (/key/i.test(name)) return `key-${random.below(50)}`;
  if (name === "choose") return random.pick(["postgres", "redis", "faiss", "import"]);
  if (name === "strategy") return random.pick(["latest_wins", "merge", "manual", "unknown"]);
  if (/match/i.test(name)) return random.pick(['"1"', '"2"', "*", '"9"']);
  return random.pick(WORDS).slice(0, schema.maxLength ?? 100) || "x";
}

/** A change of a device, of which the document says nothing: the hub checks each by itself. */
export function hubChange(random: Random, pools: Pools): object {
  const put = random.next() < 0.7;
  return {
    key: ulid(random),
    namespace: random.pick(pools.namespaces),
    memoryId: random.pick(pools.memoryIds),
    baseVersion: random.pick([0, null, 1, 2]),
    modifiedAt: random.below(2 ** 40),
    op: put ? "put" : random.pick(["delete", "withdraw"]),
    ...(put && { memory: hubMemory(random) }),
  };
}

function hubMemory(random: Random): object {
  const common = { memoryType: "episodic", importance: 0.5 };
  if (random.next() < 0.2) return { privacy: "redacted", ...common };
  return { privacy: "full", ...common, content: random.pick(WORDS), metadata: {}, embedding: null };
}
