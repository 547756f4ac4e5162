import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { Random } from "../support/random.ts";
import { vector } from "./generate.ts";
import { DIMENSION, TENANTS } from "./tenants.ts";
import { CONNECTOR, CONNECTOR_ID, RECEIVER, SOUND, SOUND_SHA256, ulid, WEBHOOK_SECRET } from "./texts.ts";

/** The steps of the tour, by what they are about. Each succeeds by itself, on a service that has done nothing yet. */

export const TOUR_NAMESPACE = "tour";

/** What a request of the tour is made of; `namespace` and `memoryId` have values of the tour's own. */
export interface Asked {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A text as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** An answer, as JSON. */
export type Document = Record<string, unknown>;

/** How a section of the tour calls the service. */
export interface TourCalls {
  /** Asks until the answer is 2xx: another check may be running. @throws {Error} It is not. */
  call(operationId: string, asked?: Asked): Promise<Document>;
  /** Asks until `holds` says so of the answer. */
  until(operationId: string, asked: Asked, holds: (document: Document) => boolean): Promise<Document>;
  /** The MCP session that the latest answer with one named. */
  session(): string;
  /** What no route can do: a version in Redis that the ledger never gave out, a store that no node runs. */
  readonly damage: Damage;
}

export interface Damage {
  driftInRedis(namespace: string, memoryId: string): Promise<void>;
  registerStore(storeId: string): Promise<void>;
}

type Section = (calls: TourCalls) => Promise<void>;

const MEMORY = { content: "a memory of the tour", memoryType: "episodic" } as const;
const random = new Random(1);

const service: Section = async ({ call }) => {
  for (const name of ["getLiveness", "getReadiness", "getMetrics", "getOpenApi", "getStatus", "watchStatus"]) {
    await call(name);
  }
  for (const name of ["getOwnKey", "listKeys"]) await call(name);
};

const memories: Section = async ({ call }) => {
  await call("putMemory", { body: { ...MEMORY, embedding: vector(random, DIMENSION) } });
  await call("patchMemory", { body: { importance: 0.1 } });
  await call("getMemory", { query: [["embedding", "true"]] });
  await call("getMemories", { body: { memoryIds: ["t1", "none"] } });
  await call("listMemories");
  await call("countMemories");
  await call("listNamespaces");
  await call("searchMemories", { body: { vector: vector(random, DIMENSION), k: 2 } });
  await call("listVersions");
  await call("diffVersions", {
    query: [
      ["from", "1"],
      ["to", "2"],
    ],
  });
  await call("listCopies");
  await call("rollbackMemory", { body: { toVersion: 1 } });
  const { outcomes } = await call("writeBatch", {
    body: { memories: ["t2", "t3"].map((memoryId) => ({ memoryId, ...MEMORY })) },
  });
  const [first] = outcomes as { transactionId: string }[];
  const params = { transactionId: first?.transactionId ?? "" };
  await call("getTransaction", { params });
  await call("rollbackTransaction", { params });
  await call("importMemories", { body: `${JSON.stringify({ memoryId: "t4", ...MEMORY })}\n` });
  await call("exportMemories");
  await call("deleteMemory", { params: { memoryId: "t4" } });
};

const changes: Section = async ({ call }) => {
  await call("readChanges");
  await call("followChanges", { query: [["from", "start"]] });
};

/** Conflicts of the tour and of each tenant: a version in Redis that the ledger never gave out, and nobody decides. */
const conflictsAndJobs: Section = async ({ call, until, damage }) => {
  const places = [TOUR_NAMESPACE, ...TENANTS].map((namespace) => ({ namespace, memoryId: "drifted" }));
  for (const params of places) {
    await call("putMemory", { params, body: MEMORY });
    await damage.driftInRedis(params.namespace, params.memoryId);
  }
  const { id: checkJobId } = await call("startCheck", { body: { scope: "full" } });
  const check = { params: { jobId: String(checkJobId) } };
  await call("watchJob", check);
  await until("getJob", check, ({ state }) => state === "done");
  await call("listJobs");
  await call("cancelJob", check);
  const { id: repairId } = await call("startRepair", { body: { checkJobId, strategy: "manual" } });
  await until("getJob", { params: { jobId: String(repairId) } }, ({ state }) => state === "done");
  const found = await until("listConflicts", {}, ({ conflicts }) => (conflicts as object[]).length >= places.length);
  const own = (found.conflicts as { id: string; namespace: string }[]).find((one) => one.namespace === TOUR_NAMESPACE);
  const params = { conflictId: own?.id ?? "" };
  await call("showConflict", { params });
  await call("resolveConflict", { params, body: { choose: "postgres" } });
};

const queue: Section = async ({ call }) => {
  for (const name of ["listQueue", "pauseQueue", "resumeQueue", "retryDeadLetters", "dropDeadLetters"])
    await call(name);
};

const stores: Section = async ({ call, damage }) => {
  await call("listStores");
  await damage.registerStore("former");
  await call("forgetStore", { params: { storeId: "former" } });
};

const erasures: Section = async ({ call, until }) => {
  const params = { memoryId: "to-erase" };
  await call("putMemory", { params, body: MEMORY });
  const { erasureId } = await call("eraseMemory", { params, body: {} });
  await call("eraseMemories", { body: { where: { memoryId: { eq: "none" } }, dryRun: true } });
  await call("listErasures");
  const receipt = { params: { erasureId: String(erasureId) } };
  await until("getErasure", receipt, ({ state }) => state === "complete");
  await call("listSuppressed");
  await call("reviveMemory", { params });
};

const subscriptions: Section = async ({ call }) => {
  const fields = { url: RECEIVER, namespaces: [TOUR_NAMESPACE] };
  const { id } = await call("createSubscription", { body: { ...fields, secret: WEBHOOK_SECRET, from: "now" } });
  const params = { subscriptionId: String(id) };
  await call("listSubscriptions");
  await call("getSubscription", { params });
  await call("replaceSubscription", { params, body: { ...fields, description: "replaced" } });
  await call("pauseSubscription", { params, body: {} });
  await call("resumeSubscription", { params, body: { from: "now" } });
  await call("rotateSubscriptionSecret", { params, body: {} });
  await call("testSubscription", { params, body: {} });
  await call("listSubscriptionDeadLetters", { params });
  await call("replayDeadLetters", { params, body: {} });
  await call("dropSubscriptionDeadLetters", { params, body: {} });
  // Another one stays, for the requests that come behind.
  await call("createSubscription", { body: { ...fields, from: "now" } });
  await call("deleteSubscription", { params });
};

const hub: Section = async ({ call }) => {
  const device = "tour-device";
  await call("identifyDevice", { body: { device, protocolVersions: [1] } });
  const change = {
    key: ulid(random),
    namespace: TOUR_NAMESPACE,
    memoryId: "of-a-device",
    baseVersion: 0,
    modifiedAt: 1,
  };
  const memory = { privacy: "full", ...MEMORY, importance: 0.5, metadata: {}, embedding: null };
  const changes = [{ ...change, op: "put", memory }];
  await call("pushChanges", { body: { device, epoch: null, sentAt: 2, settledThrough: null, changes } });
  await call("readHubChanges", { query: [["device", device]] });
  await call("listDevices");
  for (const name of ["getDevice", "revokeDevice", "admitDevice"]) await call(name, { params: { device } });
};

const replica: Section = async ({ call, until }) => {
  const following = () => until("getReplica", {}, ({ phase, isPaused }) => phase === "following" && isPaused === false);
  await following();
  await call("pauseReplica");
  await call("resumeReplica");
  await call("listReplicaDeadLetters");
  await call("retryReplicaDeadLetters", { body: {} });
  await call("dropReplicaDeadLetters", { body: {} });
  await call("backfillReplica");
  await following();
  await call("verifyReplica", { body: {} });
};

const mcp: Section = async ({ call, session }) => {
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "tour", version: "1" } };
  const headers = { accept: "application/json, text/event-stream" };
  const initialize = { headers, body: { jsonrpc: "2.0", id: 1, method: "initialize", params } };
  await call("postMcpMessages", initialize);
  const own = { ...headers, "mcp-session-id": session() };
  await call("postMcpMessages", { headers: own, body: { jsonrpc: "2.0", method: "notifications/initialized" } });
  await call("readMcpMessages", { headers: own });
  await call("endMcpSession", { headers: own });
  // Another one stays, for the requests that come behind.
  await call("postMcpMessages", initialize);
};

/** Runs read from a service that is there for the tour alone; the connector that stays has none. */
const connectors: Section = async ({ call, until }) => {
  const space = await MemorySpaceServer.start({ apiKey: null });
  try {
    const from = { type: "memory-space", url: space.url, context: space.context };
    const params = { connectorId: "tour" };
    space.put({ id: "sound", created_at: new Date().toISOString(), transcript: "with a sound", audio: true });
    space.media.set("sound/audio", { type: "audio/ogg", bytes: SOUND });
    const definition = { from, to: { type: "memories", namespace: TOUR_NAMESPACE }, media: { kinds: ["audio"] } };
    await call("createConnector", { body: { id: "tour", definition } });
    for (const name of ["getConnector", "getConnectorStatus", "testConnector"]) await call(name, { params });
    await call("listConnectors");
    await call("replaceConnector", { params, body: definition });
    for (const name of ["triggerConnector", "backfillConnector", "replayConnectorDeadLetters"]) {
      const { id } = await call(name, { params, body: {} });
      const run = { params: { ...params, runId: String(id) } };
      await call("watchConnectorRun", run);
      await until("getConnectorRun", run, ({ endedAt }) => endedAt !== null);
    }
    await call("getConnectorMedia", { params: { ...params, sha256: SOUND_SHA256 } });
    await call("listConnectorRuns", { params });
    await call("listConnectorDeadLetters", { params });
    await call("dropConnectorDeadLetters", { params, body: {} });
    for (const verb of ["cancel", "pause", "resume", "reset", "remove"]) await call(`${verb}Connector`, { params });
    await call("createConnector", { body: { id: CONNECTOR_ID, definition: CONNECTOR } });
  } finally {
    await space.close();
  }
};

/** In order: what an earlier section made, a later one may need. */
export const TOUR_SECTIONS: Readonly<Record<string, Section>> = {
  ...{
    service,
    memories,
    changes,
    conflictsAndJobs,
    queue,
    stores,
    erasures,
    subscriptions,
    hub,
    replica,
    mcp,
    connectors,
  },
};
