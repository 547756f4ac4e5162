/** RxDB with its storage in memory, and a server of its replication protocol that keeps the documents in a map: nothing is durable. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRxDatabase } from "rxdb";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { servePeer } from "../support/peer-process.ts";
import { plainDocument } from "./documents.ts";

const BATCH_SIZE = 100;
const text = { type: "string" };
const schema = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 100 },
    content: text,
    memoryType: text,
    importance: { type: "number" },
    metadata: { type: "object", additionalProperties: true },
    embedding: text,
  },
  required: ["id", "content"],
};
let server;
let database = null;
let hub = "";
let databases = 0;
/** At the server: documents in the order of their arrival, by database. */
const stored = new Map();

const versionOf = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function answerTo(request) {
  const url = new URL(request.url, "http://hub");
  const documents = stored.get(url.pathname) ?? new Map();
  stored.set(url.pathname, documents);
  if (request.method === "POST") {
    for (const { newDocumentState } of await bodyOf(request)) documents.set(newDocumentState.id, newDocumentState);
    return [];
  }
  const from = Number(url.searchParams.get("from"));
  const page = [...documents.values()].slice(from, from + BATCH_SIZE);
  return { documents: page, checkpoint: { from: from + page.length }, count: documents.size };
}

async function close() {
  await database?.close();
  database = null;
  return null;
}

async function call(method, query, body) {
  const response = await fetch(hub + query, { method, ...(body && { body: JSON.stringify(body) }) });
  return await response.json();
}

async function replicated(direction) {
  const push = { batchSize: BATCH_SIZE, handler: (rows) => call("POST", "", rows) };
  const pull = { batchSize: BATCH_SIZE, handler: (checkpoint) => call("GET", `?from=${checkpoint?.from ?? 0}`) };
  const startedAt = performance.now();
  const replication = replicateRxCollection({
    collection: database.documents,
    replicationIdentifier: `bench-${direction}`,
    live: false,
    ...(direction === "push" ? { push } : { pull }),
  });
  await replication.awaitInitialReplication();
  const ms = performance.now() - startedAt;
  const arrived = direction === "push" ? (await call("GET", "?from=0")).count : await database.documents.count().exec();
  return { ms, arrived };
}

servePeer(
  {
    serve: async () => {
      server = createServer((request, response) => {
        answerTo(request).then(
          (document) => response.setHeader("content-type", "application/json").end(JSON.stringify(document)),
          (error) => response.writeHead(500).end(String(error)),
        );
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return { url: `http://127.0.0.1:${server.address().port}` };
    },
    versions: async () => ({ rxdb: versionOf("rxdb") }),
    open: async ({ name, hub: url }) => {
      await close();
      hub = `${url}/${name}`;
      database = await createRxDatabase({
        name: `bench${++databases}`,
        storage: getRxStorageMemory(),
        multiInstance: false,
        eventReduce: false,
      });
      await database.addCollections({ documents: { schema } });
      return null;
    },
    fill: async ({ count }) => {
      for (let from = 0; from < count; from += 1_000) {
        const size = Math.min(1_000, count - from);
        const documents = Array.from({ length: size }, (_, index) => plainDocument(from + index));
        const result = await database.documents.bulkInsert(documents.map(({ _id: id, ...rest }) => ({ id, ...rest })));
        if (result.error.length > 0) throw new Error(`RxDB refused ${result.error.length} documents`);
      }
      return null;
    },
    push: () => replicated("push"),
    pull: () => replicated("pull"),
    close,
  },
  async () => {
    await close();
    server?.close();
  },
);
