import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadFaiss } from "../../src/stores/faiss/host/faiss.ts";

/** What FAISS alone does with an index file, in a process of its own. */
export interface AloneResult {
  /** Rows found for each query, nearest first. */
  readonly rows: number[][];
  readonly milliseconds: number[];
  /** Memory that the index added to the process. */
  readonly bytes: number;
}

interface AloneTask {
  readonly path: string;
  readonly queries: readonly (readonly number[])[];
  readonly k: number;
}

/** Reads an index file and searches it one query after the other, without any of our own code around it. */
export async function searchAlone(task: AloneTask): Promise<AloneResult> {
  const child = fork(fileURLToPath(import.meta.url), ["alone"], {
    execArgv: ["--expose-gc", "--import", "tsx"],
    env: { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" },
  });
  return await new Promise((resolve, reject) => {
    child.once("message", (result) => resolve(result as AloneResult));
    child.once("exit", (code) => reject(new Error(`the process with FAISS alone ended with ${code}`)));
    child.send(task);
  });
}

/** The main index of the newest snapshot in an index's directory. Beside it stands a flat file of the exact vectors. */
export function mainIndexFile(directory: string): string {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => /(^|\/)main-\d+\.faiss$/.test(name))
    .sort()
    .map((name) => join(directory, name));
  const last = files.findLast((path) => !/^IxF/.test(kindOf(path)));
  if (last === undefined) throw new Error(`no main index in ${directory}: ${files.join(", ")}`);
  return last;
}

/** FAISS's four letters for the type of an index. */
function kindOf(path: string): string {
  const file = openSync(path, "r");
  try {
    const letters = Buffer.alloc(4);
    readSync(file, letters, 0, 4, 0);
    return letters.toString("latin1");
  } finally {
    closeSync(file);
  }
}

function serve({ path, queries, k }: AloneTask): AloneResult {
  const faiss = loadFaiss();
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const index = faiss.Index.read(path);
  const bytes = process.memoryUsage.rss() - before;
  const milliseconds: number[] = [];
  const rows = queries.map((query) => {
    const started = performance.now();
    const { labels } = index.search([...query], k);
    milliseconds.push(performance.now() - started);
    return labels;
  });
  return { rows, milliseconds, bytes };
}

if (process.argv[2] === "alone") {
  process.once("message", (task: AloneTask) => {
    process.send?.(serve(task), () => (process as unknown as ChildProcess).disconnect());
  });
}
