/** PouchDB, both sides: a server with express-pouchdb, or a client with LevelDB that replicates with one. */
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import expressPouchDb from "express-pouchdb";
import PouchDB from "pouchdb";
import { servePeer } from "../support/peer-process.ts";
import { plainDocument } from "./documents.ts";

const BATCH_SIZE = 100; // Its default.
let server;
let local = null;
let remote = null;

const versionOf = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;

async function close() {
  await local?.close();
  await remote?.close();
  local = null;
  remote = null;
  return null;
}

async function replicated(replication, count) {
  const startedAt = performance.now();
  await replication();
  const ms = performance.now() - startedAt;
  return { ms, arrived: (await count().info()).doc_count };
}

servePeer(
  {
    serve: async () => {
      const folder = mkdtempSync(join(tmpdir(), "mnemosync-bench-pouch-"));
      const Served = PouchDB.defaults({ prefix: `${folder}/` });
      const app = express();
      app.use(
        "/",
        expressPouchDb(Served, { mode: "minimumForPouchDB", inMemoryConfig: true, logPath: `${folder}/log` }),
      );
      server = app.listen(0, "127.0.0.1");
      await once(server, "listening");
      return { url: `http://127.0.0.1:${server.address().port}` };
    },
    versions: async () =>
      Object.fromEntries(["pouchdb", "express-pouchdb", "leveldown"].map((name) => [name, versionOf(name)])),
    open: async ({ name, directory, hub }) => {
      await close();
      local = new PouchDB(join(directory, `pouch-${name}-${Math.random().toString(36).slice(2)}`));
      remote = new PouchDB(`${hub}/${name}`);
      await remote.info();
      return null;
    },
    fill: async ({ count }) => {
      for (let from = 0; from < count; from += 1_000) {
        const size = Math.min(1_000, count - from);
        await local.bulkDocs(Array.from({ length: size }, (_, index) => plainDocument(from + index)));
      }
      return null;
    },
    push: () =>
      replicated(
        () => local.replicate.to(remote, { batch_size: BATCH_SIZE }),
        () => remote,
      ),
    pull: () =>
      replicated(
        () => local.replicate.from(remote, { batch_size: BATCH_SIZE }),
        () => local,
      ),
    close,
  },
  async () => {
    await close();
    server?.close();
  },
);
