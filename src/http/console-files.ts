import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { packageFile } from "../runtime/package-files.ts";
import { HttpProblem } from "./problem.ts";

/** A file of the console, held in memory: all of them together have some hundred KiB. */
export interface ConsoleFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

/** By the path below the console's address: `index.html`, `assets/app-1a2b3c.js`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

const INDEX = "index.html";
const ASSETS = "assets";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json; charset=utf-8",
  ".woff2": "font/woff2",
};

const pack = promisify(gzip);

/**
 * Reads the built console. A file of a type that is not known here is left out.
 * @param folder `dist/console` of the package by default.
 * @throws {HttpProblem} 404: it was not built.
 */
export async function readConsoleFiles(folder = packageFile("dist", "console")): Promise<ConsoleFiles> {
  const files = new Map<string, ConsoleFile>();
  try {
    for (const name of [INDEX, ...(await readdir(join(folder, ASSETS))).map((file) => `${ASSETS}/${file}`)]) {
      const type = TYPES[extname(name)];
      if (type === undefined) continue;
      const plain = await readFile(join(folder, name));
      files.set(name, { type, plain, gzip: await pack(plain, { level: 9 }) });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const detail =
      "the console's files are not in dist/console: build them with npm run build, then restart the service";
    throw new HttpProblem(404, "ROUTE_NOT_FOUND", detail);
  }
  return files;
}
