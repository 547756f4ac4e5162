import { spawn } from "node:child_process";
import { EdgeFileError } from "../errors.ts";
import { SQL_DRIVERS, type SqlDriverName } from "./database.ts";

const PROBE_MAX_MS = 30_000;
/** Characters of what a failing driver says that a message repeats. */
const SAID_MAX = 300;

/** Drivers that were found to work, so that a program probes once. */
const working = new Map<SqlDriverName, Promise<string | null>>();

/**
 * The driver to use: `wanted`, or the first one that works. Each one is tried in a child process with what the edge needs
 * of it (FTS5, a blob, a transaction): a binary made for another Node ends its process by a signal, where an exception could
 * be caught.
 * @throws {EdgeFileError} `driver`: none works. The message says what to install.
 */
export async function chooseDriver(wanted: SqlDriverName | "auto"): Promise<SqlDriverName> {
  const names = wanted === "auto" ? SQL_DRIVERS : [wanted];
  const failures: string[] = [];
  for (const name of names) {
    if (!working.has(name)) working.set(name, probe(name));
    const failure = await working.get(name);
    if (failure === null) return name;
    working.delete(name); // It may be installed meanwhile.
    failures.push(`${name}: ${failure}`);
  }
  throw new EdgeFileError(
    "driver",
    `no SQLite driver works here (${failures.join("; ")}). Use Node 22.13 or newer, which has node:sqlite, or run: ` +
      "npm install libsql@0.5.29",
  );
}

/** Null: it works. */
async function probe(name: SqlDriverName): Promise<string | null> {
  if (name === "node:sqlite" && !hasNodeSqlite()) {
    return `Node ${process.versions.node} has none`;
  }
  const child = spawn(process.execPath, ["-e", PROGRAM, name, import.meta.url], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: PROBE_MAX_MS,
    killSignal: "SIGKILL",
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, 10_000);
  });
  return await new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(null);
      const reason = /^\w*Error: (.*)$/m.exec(said)?.[1] ?? said.trim();
      resolve((signal === null ? reason : `its process ended by ${signal} ${reason}`).slice(0, SAID_MAX));
    });
  });
}

function hasNodeSqlite(): boolean {
  const builtin = process as unknown as { getBuiltinModule?: (id: string) => unknown };
  return builtin.getBuiltinModule?.("node:sqlite") !== undefined;
}

/** CommonJS in one text: a child must not depend on how this module was compiled or bundled. */
const PROGRAM = `
const { createRequire } = require("node:module");
const [, name, from] = process.argv;
function load() {
  if (name === "node:sqlite") return process.getBuiltinModule(name).DatabaseSync;
  try { return createRequire(from)(name); }
  catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" || !error.message.includes("'" + name + "'")) throw error;
    return createRequire(process.cwd() + "/package.json")(name);
  }
}
const Database = load();
const database = new Database(":memory:");
database.exec("create virtual table t using fts5(a); create table b(v blob); begin; insert into t values('two words'); commit");
database.prepare("insert into b values(?)").run(name === "libsql" ? [Buffer.from([1, 2])] : Buffer.from([1, 2]));
const { v } = database.prepare("select v from b").get();
const found = database.prepare("select count(*) as n from t where t match ?").get('"words"');
if (found.n !== 1 || v.length !== 2 || v[1] !== 2) throw new Error("it does not read what it wrote");
database.close();
`;
