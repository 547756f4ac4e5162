import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { LightMyRequestResponse } from "fastify";
import { expect, test } from "vitest";
import { openApiDocument } from "../../src/http/openapi.ts";
import { ROUTE_GROUPS } from "../../src/http/routes.ts";
import { httpOptions, MEMORY, openService, type TestRequest, type TestService } from "../support/http-service.ts";
import { leaveToPerson } from "../support/manual-conflicts.ts";
import { unitVector } from "../support/memories.ts";
import { SECRET_KEY } from "../support/webhook-world.ts";

/** Goal: the service does what docs/openapi.json says. Method: the cases are made from the file. */

const FILE = new URL("../../docs/openapi.json", import.meta.url);
const document = JSON.parse(readFileSync(FILE, "utf8")) as Document;

interface Operation {
  readonly operationId: string;
  readonly security?: unknown[];
  readonly "x-mnemosync-scope"?: "read" | "write" | "admin";
  readonly requestBody?: { content: Record<string, unknown> };
  readonly responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

interface Document {
  readonly info: { version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
}

/** A ULID that names nothing. */
const UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

const MCP_ACCEPT = { accept: "application/json, text/event-stream" };

const MCP_INITIALIZE = {
  ...{ jsonrpc: "2.0", id: 1, method: "initialize" },
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

/** A change of a device. */
const HUB_PUT = {
  ...{ key: "01ARZ3NDEKTSV4RRFFQ69G5FAA", namespace: "default", memoryId: "hub-1", baseVersion: 0, modifiedAt: 1 },
  op: "put",
  memory: { privacy: "full", content: "c", memoryType: "t", importance: 0.5, metadata: {}, embedding: null },
};

const SPACE_ID = { connectorId: "space" };
const SPACE = { from: { type: "memory-space", url: "http://127.0.0.1:9", context: "c", attemptsMax: 1 } };

type Method = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase() as Method, operation })),
);
const secured = operations.filter(({ operation }) => operation.security === undefined);

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "openapi", ...document });

/** Fails unless status, type and body are as the file says of the operation. */
function expectDocumented(operation: Operation, response: LightMyRequestResponse): void {
  const described = operation.responses[String(response.statusCode)];
  expect(
    described,
    `${operation.operationId} does not document ${response.statusCode}: ${response.body}`,
  ).toBeDefined();
  const contents = Object.entries(described?.content ?? {});
  if (contents.length === 0) {
    expect(response.body).toBe("");
    return;
  }
  const [[mediaType, { schema }]] = contents as [[string, { schema: object }]];
  expect(response.headers["content-type"]).toContain(mediaType);
  if (!/[/+]json$/.test(mediaType)) return;
  const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')) as object;
  const valid = ajv.validate(rooted, JSON.parse(response.body));
  expect(valid, `${operation.operationId}: ${ajv.errorsText()}: ${response.body.slice(0, 500)}`).toBe(true);
}

/** An address of the operation; its path parameters as given, or such that nothing is there. */
function address(path: string, values: Record<string, string> = {}): string {
  const standard: Record<string, string> = {
    namespace: "tenant-b",
    memoryId: "nothing",
    conflictId: "999999",
    connectorId: "nothing",
    sha256: "0".repeat(64),
  };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? standard[name] ?? UNKNOWN_ID),
  );
}

test("the file is what the routes declare (if not: npm run openapi)", () => {
  expect(document).toEqual(openApiDocument(ROUTE_GROUPS, document.info.version, httpOptions()));
});

test("every operation asks for a key, for its scope, and for its namespace", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const before = await service.world.footprint();
  for (const { path, method, operation } of secured) {
    const url = address(path);
    const asked = async (request: TestRequest): Promise<LightMyRequestResponse> => {
      const headers = operation.requestBody === undefined ? {} : { "content-type": mediaTypeOf(operation) };
      const body = operation.requestBody === undefined ? {} : { body: "{}" };
      const response = await service.request(method, url, { ...body, headers, ...request });
      expectDocumented(operation, response);
      return response;
    };
    const noKey = await asked({ key: null });
    expect([operation.operationId, noKey.statusCode]).toEqual([operation.operationId, 401]);
    expect(noKey.headers["www-authenticate"]).toContain("Bearer");
    expect((await asked({ key: `${service.keys.admin.slice(0, -1)}_` })).statusCode).toBe(401);
    expect((await asked({ key: service.keys.expired })).statusCode).toBe(401);
    const scope = operation["x-mnemosync-scope"];
    if (scope !== "read") expect((await asked({ key: service.keys.reader })).statusCode).toBe(403);
    if (scope === "admin") expect((await asked({ key: service.keys.writer })).statusCode).toBe(403);
    const isBound = path.includes("{namespace}") || scope === "admin";
    // What a bound key may not see of conflicts is not there for it.
    const refusal = path.includes("{conflictId}") ? 404 : 403;
    const bound = { key: service.keys.boundAdmin, ...(refusal === 404 && { body: '{"choose":"redis"}' }) };
    if (isBound) expect((await asked(bound)).statusCode).toBe(refusal);
  }
  expect(await service.world.footprint()).toEqual(before);
});

test("every operation that takes a body refuses what it does not understand, and writes nothing", async (t) => {
  const service = await openService(t, {
    world: { faiss: false },
    http: { bodyBytesMax: 10_000, importBytesMax: 10_000 },
  });
  const before = await service.world.footprint();
  const withBody = secured.filter(({ operation }) => operation.requestBody !== undefined);
  for (const { path, method, operation } of withBody) {
    const url = address(path);
    const status = async (body: string | Buffer, headers: Record<string, string> = {}): Promise<number> => {
      const type = { "content-type": mediaTypeOf(operation) };
      const response = await service.request(method, url, { body, headers: { ...type, ...headers } });
      expectDocumented(operation, response);
      return response.statusCode;
    };
    const name = operation.operationId;
    expect([name, await status("x".repeat(20_000))]).toEqual([name, 413]);
    expect([name, await status("a=b", { "content-type": "application/x-www-form-urlencoded" })]).toEqual([name, 415]);
    if (mediaTypeOf(operation) !== "application/json") {
      expect([name, await status("{}", { "content-type": "application/json" })]).toEqual([name, 415]);
      continue;
    }
    expect([name, await status("{}", { "content-type": "application/x-ndjson" })]).toEqual([name, 415]);
    expect([name, await status("{")]).toEqual([name, 400]);
    expect([name, await status("[".repeat(5_000))]).toEqual([name, 400]);
    expect([name, await status(Buffer.from([0x22, 0xff, 0x22]))]).toEqual([name, 400]);
    expect([name, await status("[]")]).toEqual([name, 422]);
    expect([name, await status('{"unknown": 1}')]).toEqual([name, 422]);
  }
  expect(await service.world.footprint()).toEqual(before);
});

/** What makes each operation succeed, in order; every operation of the file has to be here. */
const scenario: Record<string, (service: TestService, known: Record<string, string>) => Step[]> = {
  listConflicts: () => [
    { query: "?limit=5", status: 200 },
    { query: "?namespace=default&state=resolved&memoryId=c1", status: 200 },
    { query: "?after=x", status: 400 },
  ],
  showConflict: (_, known) => [{ params: { conflictId: known.conflictId ?? "" }, status: 200 }, { status: 404 }],
  resolveConflict: (_, known) => [
    { params: { conflictId: known.conflictId ?? "" }, body: { choose: "nobody" }, status: 422 },
    { params: { conflictId: known.conflictId ?? "" }, body: { choose: "postgres" }, status: 200 },
    { params: { conflictId: known.conflictId ?? "" }, body: { choose: "postgres" }, status: 409 },
    { body: { choose: "postgres" }, status: 404 },
  ],
  putMemory: () => [
    { params: { memoryId: "a/ü b" }, body: MEMORY, status: 201 },
    {
      params: { memoryId: "a/ü b" },
      body: { ...MEMORY, content: "changed" },
      headers: { "if-match": '"1"' },
      status: 200,
    },
    { params: { memoryId: "a/ü b" }, body: MEMORY, headers: { "if-match": '"1"' }, status: 412 },
    { params: { memoryId: "a/ü b" }, body: MEMORY, headers: { "if-none-match": "*" }, status: 412 },
    { params: { memoryId: "new" }, body: MEMORY, headers: { "if-match": "*" }, status: 412 },
    { params: { memoryId: "new" }, body: MEMORY, headers: { "if-match": "W/3" }, status: 400 },
    { params: { memoryId: "new" }, body: MEMORY, headers: { "idempotency-key": "k".repeat(129) }, status: 422 },
    { params: { memoryId: "new" }, body: { ...MEMORY, content: "\u0000" }, status: 422 },
  ],
  getMemory: () => [
    { params: { memoryId: "a/ü b" }, query: "?embedding=true", status: 200 },
    { params: { memoryId: "a/ü b" }, headers: { "if-none-match": '"2"' }, status: 304 },
    { params: { memoryId: "none" }, status: 404 },
    { params: { memoryId: "a/ü b" }, query: "?embedding=perhaps", status: 400 },
  ],
  writeBatch: () => [
    {
      body: {
        memories: [
          { memoryId: "b1", ...MEMORY, embedding: Array.from(unitVector(1, 8)) },
          { memoryId: "b2", ...MEMORY, importance: 0 },
        ],
      },
      status: 200,
    },
    { body: { memories: [{ memoryId: "b3", ...MEMORY, embedding: [1, 2] }] }, status: 200 },
  ],
  importMemories: () => [
    {
      body: `${JSON.stringify({ memoryId: "i1", ...MEMORY })}\nno json\n{"namespace":"elsewhere","memoryId":"x"}\n`,
      status: 200,
    },
  ],
  exportMemories: () => [
    { query: "?history=true", status: 200 },
    { query: "?afterMemoryId=b1&afterVersion=1", status: 200 },
    { query: "?afterVersion=0", status: 400 },
    { query: "?history=perhaps", status: 400 },
  ],
  searchMemories: () => [
    { body: { vector: Array.from(unitVector(1, 8)), k: 2, filter: { memoryType: "episodic" } }, status: 200 },
    { body: { vector: Array.from(unitVector(1, 8)), where: { importance: { lt: 2 } } }, status: 200 },
    { body: { vector: Array.from(unitVector(1, 8)), where: { importance: 2 } }, status: 422 },
    { body: { vector: [1, 2] }, status: 422 },
    { body: { text: "no embedder is set up" }, status: 422 },
    { body: { text: "both", vector: [1] }, status: 422 },
  ],
  listVersions: () => [
    { params: { memoryId: "a/ü b" }, query: "?limit=5", status: 200 },
    { params: { memoryId: "a/ü b" }, query: "?limit=0", status: 400 },
  ],
  diffVersions: () => [
    { params: { memoryId: "a/ü b" }, query: "?from=1&to=2", status: 200 },
    { params: { memoryId: "a/ü b" }, query: "?from=1&to=9", status: 404 },
    { params: { memoryId: "a/ü b" }, query: "?from=1", status: 400 },
  ],
  listCopies: () => [{ params: { memoryId: "a/ü b" }, status: 200 }, { status: 200 }],
  rollbackMemory: () => [
    { params: { memoryId: "a/ü b" }, body: { toVersion: 1 }, status: 200 },
    { params: { memoryId: "a/ü b" }, body: { toVersion: 99 }, status: 404 },
  ],
  getTransaction: (_, known) => [
    { params: { transactionId: known.transactionId ?? "" }, status: 200 },
    { status: 404 },
  ],
  rollbackTransaction: (_, known) => [
    { params: { transactionId: known.transactionId ?? "" }, status: 200 },
    { params: { transactionId: known.transactionId ?? "" }, status: 409 },
    { status: 404 },
  ],
  deleteMemory: () => [
    { params: { memoryId: "b2" }, headers: { "if-match": '"7"' }, status: 412 },
    { params: { memoryId: "b2" }, status: 200 },
    { params: { memoryId: "b2" }, status: 200 },
  ],
  // Its 200 is a stream without an end: http-changes.test.ts reads it.
  followChanges: () => [
    { query: "?cursor=x", status: 422 },
    { headers: { "last-event-id": "c1.x" }, status: 422 },
    { query: "?namespace=a:b", status: 400 },
  ],
  readChanges: () => [
    { query: "?limit=2&embedding=true", status: 200 },
    { query: "?from=now&waitMs=1", status: 200 },
    { query: "?waitMs=30001", status: 400 },
    { query: "?cursor=x", status: 422 },
  ],
  patchMemory: () => [
    { params: { memoryId: "a/ü b" }, body: { importance: 0.1, metadata: { x: { y: null } } }, status: 200 },
    { params: { memoryId: "a/ü b" }, query: "?embedding=drop", body: { content: "other" }, status: 200 },
    { params: { memoryId: "a/ü b" }, body: { importance: 1 }, headers: { "if-match": '"1"' }, status: 412 },
    { params: { memoryId: "a/ü b" }, body: { importance: null }, status: 422 },
    { params: { memoryId: "a/ü b" }, query: "?embedding=lose", body: {}, status: 400 },
    { body: { importance: 1 }, status: 404 },
  ],
  listMemories: () => [
    { status: 200 },
    { query: `?limit=1&orderBy=memoryId%20desc&where=${encodeURIComponent('{"importance":{"gte":0}}')}`, status: 200 },
    { query: "?embedding=true&timeoutMs=60000", status: 200 },
    { query: "?orderBy=modifiedAt", status: 422 },
    { query: "?where=%7B%22importance%22%3A%7B%22near%22%3A1%7D%7D", status: 422 },
    { query: "?where=%7B", status: 400 },
    { query: "?limit=1001", status: 400 },
    { query: "?cursor=x", status: 422 },
  ],
  getMemories: () => [
    { body: { memoryIds: ["a/ü b", "none"], embedding: true }, status: 200 },
    { body: { memoryIds: [] }, status: 422 },
    { body: { memoryIds: Array.from({ length: 1_001 }, (_, number) => `m${number}`) }, status: 422 },
  ],
  countMemories: () => [
    { query: "?where=%7B%7D", status: 200 },
    { query: "?estimate=true", status: 200 },
    { query: "?timeoutMs=0", status: 400 },
  ],
  listNamespaces: () => [{ status: 200 }, { query: "?limit=1", status: 200 }, { query: "?cursor=x", status: 422 }],
  startCheck: () => [{ body: { scope: "deep" }, status: 202 }],
  watchJob: (_, known) => [{ params: { jobId: known.jobId ?? "" }, status: 200 }, { status: 404 }],
  startRepair: (_, known) => [
    { body: { checkJobId: known.jobId }, status: 202 },
    { body: { checkJobId: UNKNOWN_ID }, status: 404 },
  ],
  // Its node has no embedder; reembed.test.ts has one.
  startReembedding: () => [
    { body: {}, status: 422 },
    { body: { where: { colour: { eq: "red" } } }, status: 422 },
  ],
  getJob: (_, known) => [{ params: { jobId: known.jobId ?? "" }, status: 200 }, { status: 404 }],
  cancelJob: (_, known) => [{ params: { jobId: known.jobId ?? "" }, status: 200 }, { status: 404 }],
  listJobs: () => [{ status: 200 }],
  listQueue: () => [{ query: "?limit=10", status: 200 }],
  retryDeadLetters: () => [{ status: 200 }],
  dropDeadLetters: () => [{ status: 200 }],
  pauseQueue: () => [{ status: 200 }],
  resumeQueue: () => [{ status: 200 }],
  listStores: () => [{ status: 200 }],
  eraseMemory: () => [
    { params: { memoryId: "b2" }, body: { dryRun: true }, status: 200 },
    { params: { memoryId: "b2" }, body: { reason: "asked for" }, status: 202 },
    { params: { memoryId: "b2" }, body: { reason: "" }, status: 422 },
  ],
  eraseMemories: () => [
    { body: { where: { memoryId: { eq: "none" } }, dryRun: true }, status: 200 },
    { body: { where: { memoryId: { eq: "none" } } }, status: 202 },
    { body: {}, status: 422 },
    { body: { where: { nothing: { eq: 1 } } }, status: 422 },
  ],
  listSuppressed: () => [
    { query: "?limit=1", status: 200 },
    { query: "?limit=0", status: 400 },
    { query: "?cursor=x", status: 422 },
  ],
  // Their 200 are in erase-service.test.ts: they wait for the job that the request began.
  reviveMemory: () => [{ params: { memoryId: "never-erased" }, status: 404 }],
  listErasures: () => [
    { query: "?limit=1", status: 200 },
    { query: "?limit=0", status: 400 },
    { query: "?before=x", status: 400 },
  ],
  getErasure: () => [{ status: 404 }, { params: { erasureId: "x" }, status: 400 }],
  forgetStore: () => [
    { params: { storeId: "redis" }, status: 422 },
    { params: { storeId: "nowhere" }, status: 404 },
  ],
  createSubscription: () => [
    {
      body: { url: "https://receiver.example/hooks", topics: ["change", "drift"], where: { memoryType: { eq: "x" } } },
      status: 201,
    },
    { body: { url: "http://receiver.example/hooks" }, status: 422 },
    { body: { url: "https://receiver.example/hooks", topics: ["weather"] }, status: 422 },
  ],
  listSubscriptions: () => [{ query: "?limit=1", status: 200 }],
  getSubscription: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, status: 200 },
    { params: { subscriptionId: UNKNOWN_ID }, status: 404 },
  ],
  replaceSubscription: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, body: { url: "https://receiver.example/" }, status: 422 },
    { params: { subscriptionId }, body: { url: "https://receiver.example/", from: "now" }, status: 200 },
  ],
  pauseSubscription: (_service, { subscriptionId = "" }) => [{ params: { subscriptionId }, body: {}, status: 200 }],
  resumeSubscription: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, body: { from: "now" }, status: 200 },
    { params: { subscriptionId }, body: { from: "yesterday" }, status: 422 },
  ],
  rotateSubscriptionSecret: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, body: { overlapMs: 1_000 }, status: 200 },
    { params: { subscriptionId }, body: { secret: "whsec_short" }, status: 422 },
  ],
  testSubscription: (_service, { subscriptionId = "" }) => [{ params: { subscriptionId }, body: {}, status: 200 }],
  listSubscriptionDeadLetters: (_service, { subscriptionId = "" }) => [{ params: { subscriptionId }, status: 200 }],
  replayDeadLetters: (_service, { subscriptionId = "" }) => [{ params: { subscriptionId }, body: {}, status: 200 }],
  dropSubscriptionDeadLetters: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, body: { ids: ["msg_a"] }, status: 200 },
  ],
  deleteSubscription: (_service, { subscriptionId = "" }) => [
    { params: { subscriptionId }, status: 204 },
    { params: { subscriptionId }, status: 404 },
  ],
  identifyDevice: () => [
    { body: { device: "laptop", name: "Laptop", protocolVersions: [1, 99] }, status: 200 },
    { body: { device: "laptop", protocolVersions: [99] }, status: 422 },
    { body: { device: "a b", protocolVersions: [1] }, status: 422 },
  ],
  pushChanges: () => [
    { body: { device: "laptop", epoch: null, sentAt: 2, settledThrough: null, changes: [HUB_PUT, {}] }, status: 200 },
    { body: { device: "laptop", epoch: null, sentAt: 2, settledThrough: null, changes: [HUB_PUT] }, status: 200 },
    {
      body: {
        device: "laptop",
        epoch: null,
        sentAt: 2,
        settledThrough: null,
        changes: [{ ...HUB_PUT, key: UNKNOWN_ID }],
      },
      status: 200,
    },
    { body: { device: "laptop", epoch: "another", sentAt: 2, settledThrough: null, changes: [] }, status: 410 },
    { body: { device: "laptop", epoch: null, sentAt: -1, settledThrough: null, changes: [] }, status: 422 },
  ],
  readHubChanges: () => [
    { query: "?device=laptop&limit=2&namespace=default", status: 200 },
    { query: "?device=laptop&cursor=x", status: 422 },
    { query: "?device=laptop&waitMs=30001", status: 400 },
    { status: 400 },
  ],
  getReplica: () => [{ status: 200 }],
  pauseReplica: () => [{ status: 422 }],
  resumeReplica: () => [{ status: 422 }],
  backfillReplica: () => [{ status: 422 }],
  listReplicaDeadLetters: () => [
    { query: "?limit=1", status: 422 },
    { query: "?limit=0", status: 400 },
  ],
  retryReplicaDeadLetters: () => [{ body: {}, status: 422 }],
  dropReplicaDeadLetters: () => [{ body: { id: UNKNOWN_ID }, status: 422 }],
  verifyReplica: () => [{ body: { repair: true }, status: 422 }],
  createConnector: () => [
    { body: { id: "space", definition: SPACE }, status: 201 },
    { body: { id: "space", definition: SPACE }, status: 422 },
    { body: { id: "A B", definition: SPACE }, status: 422 },
    { body: { id: "bad", definition: { from: { type: "nothing" } } }, status: 422 },
  ],
  listConnectors: () => [{ status: 200 }],
  getConnector: () => [{ params: SPACE_ID, status: 200 }, { status: 404 }],
  replaceConnector: () => [
    { params: SPACE_ID, body: SPACE, status: 200 },
    { params: SPACE_ID, query: "?revision=1", body: SPACE, status: 422 },
    { body: SPACE, status: 404 },
  ],
  getConnectorStatus: () => [{ params: SPACE_ID, status: 200 }, { status: 404 }],
  pauseConnector: () => [{ params: SPACE_ID, status: 200 }, { status: 404 }],
  resumeConnector: () => [{ params: SPACE_ID, status: 200 }],
  resetConnector: () => [{ params: SPACE_ID, status: 200 }],
  // Nothing listens there.
  testConnector: () => [{ params: SPACE_ID, status: 502 }, { status: 404 }],
  listConnectorRuns: () => [
    { params: SPACE_ID, query: "?limit=1", status: 200 },
    { params: SPACE_ID, query: "?limit=0", status: 400 },
  ],
  listConnectorDeadLetters: () => [
    { params: SPACE_ID, query: "?limit=1&cursor=from:7", status: 200 },
    { params: SPACE_ID, query: "?cursor=x", status: 422 },
    { params: SPACE_ID, query: "?limit=0", status: 400 },
  ],
  dropConnectorDeadLetters: () => [{ params: SPACE_ID, body: { ids: ["x"] }, status: 200 }],
  // No node makes runs: it waits, and is in the way of others.
  triggerConnector: () => [
    { params: SPACE_ID, body: { scope: "full" }, status: 202 },
    { params: SPACE_ID, body: {}, status: 409 },
    { body: {}, status: 404 },
  ],
  backfillConnector: () => [{ params: SPACE_ID, body: {}, status: 409 }],
  replayConnectorDeadLetters: () => [{ params: SPACE_ID, body: {}, status: 409 }],
  getConnectorRun: (_, { runId = "" }) => [
    { params: { ...SPACE_ID, runId }, status: 200 },
    { params: SPACE_ID, status: 404 },
  ],
  // Files, ranges and who gets them: connector-media.test.ts.
  getConnectorMedia: () => [
    { params: { ...SPACE_ID, sha256: "0".repeat(64) }, status: 404 },
    { params: { ...SPACE_ID, sha256: "no-hash" }, status: 400 },
  ],
  cancelConnector: () => [{ params: SPACE_ID, status: 200 }, { status: 404 }],
  watchConnectorRun: (_, { runId = "" }) => [
    { params: { ...SPACE_ID, runId }, status: 200 },
    { params: SPACE_ID, status: 404 },
  ],
  removeConnector: () => [
    { params: SPACE_ID, status: 204 },
    { params: SPACE_ID, status: 404 },
  ],
  listDevices: () => [
    { query: "?limit=1", status: 200 },
    { query: "?limit=0", status: 400 },
  ],
  getDevice: () => [
    { params: { device: "laptop" }, status: 200 },
    { params: { device: "nowhere" }, status: 404 },
  ],
  revokeDevice: () => [
    { params: { device: "laptop" }, status: 200 },
    { params: { device: "nowhere" }, status: 404 },
  ],
  admitDevice: () => [
    { params: { device: "laptop" }, status: 200 },
    { params: { device: "nowhere" }, status: 404 },
  ],
  postMcpMessages: () => [
    { body: MCP_INITIALIZE, headers: MCP_ACCEPT, status: 200 },
    { body: MCP_INITIALIZE, query: "?namespace=%00", status: 400 },
    { body: { jsonrpc: "2.0", id: 1, method: "tools/list" }, headers: MCP_ACCEPT, status: 400 },
    { body: MCP_INITIALIZE, headers: { ...MCP_ACCEPT, "mcp-session-id": UNKNOWN_ID }, status: 404 },
    { body: MCP_INITIALIZE, status: 406 },
  ],
  readMcpMessages: () => [
    { headers: MCP_ACCEPT, status: 400 },
    { headers: { ...MCP_ACCEPT, "mcp-session-id": UNKNOWN_ID }, status: 404 },
  ],
  endMcpSession: () => [{ status: 400 }, { headers: { "mcp-session-id": UNKNOWN_ID }, status: 404 }],
  getStatus: () => [{ status: 200 }],
  // Its 200 is a stream without an end: console-service.test.ts reads it.
  watchStatus: () => [],
  getOwnKey: () => [{ status: 200 }],
  listKeys: () => [
    { query: "?limit=2", status: 200 },
    { query: "?after=boundAdmin&limit=1", status: 200 },
    { query: "?after=a_b", status: 400 },
  ],
  getLiveness: () => [{ status: 200 }],
  getReadiness: () => [{ status: 200 }],
  getMetrics: () => [{ status: 200 }],
  getOpenApi: () => [{ status: 200 }],
};

interface Step {
  readonly params?: Record<string, string>;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly status: number;
}

test("every operation answers as documented, well and badly", async (t) => {
  const webhooks = { secretKey: SECRET_KEY, timeoutMs: 1_000 }; // receiver.example has no address.
  // Its loop leaves the conflict to the steps.
  const settings = { webhooks, connectors: { enabled: false }, repairKinds: [] };
  const service = await openService(t, { world: { settings } });
  const names = operations.map(({ operation }) => operation.operationId);
  expect(Object.keys(scenario).sort()).toEqual([...names].sort());
  const known: Record<string, string> = { conflictId: await makeConflict(service) };
  for (const [name, stepsOf] of Object.entries(scenario)) {
    const { path, method, operation } = operations.find((candidate) => candidate.operation.operationId === name)!;
    for (const { params = {}, query = "", body, headers = {}, status } of stepsOf(service, known)) {
      const type = body === undefined ? {} : { "content-type": mediaTypeOf(operation) };
      const response = await service.request(method, address(path, params) + query, {
        ...(body !== undefined && { body }),
        headers: { ...type, ...headers },
      });
      expect([name, response.statusCode, response.body.slice(0, 300)]).toEqual([name, status, expect.anything()]);
      expectDocumented(operation, response);
      if (name === "writeBatch") known.transactionId ??= response.json().outcomes[0].transactionId;
      if (name === "startCheck") known.jobId = response.json().id;
      if (name === "triggerConnector") known.runId ??= response.json().id;
      if (name === "createSubscription") known.subscriptionId ??= response.json().id;
    }
  }
  const { body } = await service.request("GET", `/v1/jobs/${known.jobId}/events`);
  const last = /^event: end\ndata: (.*)$/m.exec(body)?.[1] ?? "";
  expect(JSON.parse(last)).toMatchObject({ state: "done", result: { clean: true, scope: "deep" } });
});

/** A version in Redis that the ledger never gave out, and a strategy that leaves it to a person. @returns its id. */
async function makeConflict({ world }: TestService): Promise<string> {
  await world.put({ memoryId: "c1", ...MEMORY });
  await world.redis.hset(world.redisKey("c1"), "version", "9");
  const [conflict] = await leaveToPerson(world);
  if (conflict === undefined) throw new Error("no conflict came of a version in Redis that was never given out");
  return conflict.id;
}

function mediaTypeOf(operation: Operation): string {
  return Object.keys(operation.requestBody?.content ?? { "application/json": {} })[0] ?? "";
}
