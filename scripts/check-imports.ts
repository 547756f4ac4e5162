/**
 * Holds `src` to the tables of docs/architecture.md. It reads them from the page, so the page and the check cannot disagree.
 *
 *     npm run check:imports [-- --sizes] [-- --graph]
 *
 * - Every folder of `src` has a row, and every row has a folder.
 * - A file imports only what its row names, by value or by type, and a row names nothing that no file imports.
 * - Rows stand in the order of imports: a row names rows above it only. A door is named by doors only, and so is the façade.
 * - A package of the second table is imported only by the folders that the table names.
 * - No circle of imports between files, not even by type.
 * - No file compares with the name of a store, except the files of that store's own folder.
 *
 * `--sizes` prints the lines of each row and the files of more than 300 lines; `--graph` prints the imports between rows.
 * Exit code 0: everything holds. 1: a line for each.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const LINES_MAX = 300;

/** A row of the first table. */
interface Row {
  /** Below `src`: `domain/`, `stores/faiss/` or `index.ts`. */
  readonly path: string;
  /** Folders or files below `src`, without a closing slash. */
  readonly may: readonly string[];
  /** Every row above this one, except doors. */
  readonly above: boolean;
  readonly kind: "room" | "façade" | "door";
}

export interface Tables {
  readonly rows: readonly Row[];
  /** Folders or files below `src` that may import a package, by its name. */
  readonly packages: ReadonlyMap<string, readonly string[]>;
}

interface Import {
  readonly line: number;
  /** The imported file below `src`; null for a package. */
  readonly local: string | null;
  /** Null for a local file and for what is part of Node. */
  readonly package: string | null;
}

export interface Source {
  /** Below `src`, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** The table under the heading "Folders" and the one under "Packages" of a Markdown page. */
export function parseTables(page: string): Tables {
  const rows = tableAfter(page, "Folders", ["folder", "holds", "may import"]).flatMap(([folder, holds, may]) =>
    quoted(folder).map((name): Row => {
      const kind = /^(door|façade):/.exec(holds ?? "")?.[1] ?? "room";
      const above = /^all above/.test(may ?? "");
      return { path: name.replace(/^src\//, ""), may: quoted(may), above, kind: kind as Row["kind"] };
    }),
  );
  const packages = tableAfter(page, "Packages", ["package", "imported by"]).flatMap(([names, by]) =>
    quoted(names).map((name) => [name, quoted(by)] as const),
  );
  return { rows, packages: new Map(packages) };
}

/** The cells of the first table after a heading. */
function tableAfter(page: string, heading: string, columns: string[]): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  const cells = lines.map((line) => line.split("|").slice(1, -1)).map((row) => row.map((cell) => cell.trim()));
  if (cells[0]?.join("|") !== columns.join("|") || cells.length < 3) {
    throw new Error(`docs/architecture.md has no table with the columns ${columns.join(", ")} under "${heading}"`);
  }
  return cells.slice(2);
}

function quoted(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

/** The TypeScript files below a folder, with what they import. */
export function readSources(root: string): Source[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => source(relative(root, file).split(sep).join("/"), readFileSync(file, "utf8")));
}

// `import` and `export … from "x"` over several lines, `import "x"`, `import("x")` of a value or a type, `require("x")`.
const IMPORT =
  /^[ \t]*(?:import|export)\s+(?:type\s+)?(?:[\w*{$][^;"'`]*?\sfrom\s+)?"([^"]+)"|\b(?:import|require)\(\s*"([^"]+)"\s*\)/gm;

export function source(path: string, text: string): Source {
  const code = withoutComments(text);
  const imports = [...code.matchAll(IMPORT)].map((match): Import => {
    const name = match[1] ?? match[2] ?? "";
    const line = code.slice(0, match.index).split("\n").length;
    if (name.startsWith(".")) return { line, local: join(dirname(path), name).split(sep).join("/"), package: null };
    const parts = name.split("/").slice(0, name.startsWith("@") ? 2 : 1);
    return { line, local: null, package: name.startsWith("node:") ? null : parts.join("/") };
  });
  return { path, text, imports };
}

/** Blanks comments and keeps the lines. Skips strings, since the `//` of a URL begins no comment. */
function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*/g, (found) =>
    found.startsWith("/") ? found.replace(/[^\n]/g, " ") : found,
  );
}

/** The row with the longest path that a file or folder lies under. */
function rowOf(rows: readonly Row[], path: string): Row | undefined {
  const found = rows.filter((row) => isUnder(path, row.path));
  return found.sort((one, other) => other.path.length - one.path.length)[0];
}

function isUnder(path: string, folder: string): boolean {
  const bare = folder.replace(/\/$/, "");
  return path.replace(/\/$/, "") === bare || path.startsWith(`${bare}/`);
}

/** Everything that breaks a rule: the place, then a sentence. */
export function violations(sources: readonly Source[], tables: Tables): string[] {
  return [
    ...tableViolations(sources, tables.rows),
    ...directionViolations(sources, tables.rows),
    ...packageViolations(sources, tables.packages),
    ...circles(sources).map((circle) => `src/${circle[0]}: circle of imports: ${circle.join(" → ")}`),
    ...storeNameViolations(sources),
  ];
}

function tableViolations(sources: readonly Source[], rows: readonly Row[]): string[] {
  return rows.flatMap((row, position) => {
    const own = sources.filter(({ path }) => rowOf(rows, path) === row);
    if (own.length === 0) return [`docs/architecture.md: ${row.path}: src has no such folder or file`];
    return row.may.flatMap((name) => {
      const target = rowOf(rows, name);
      const place = `docs/architecture.md: ${row.path}: may import ${name}`;
      if (target === undefined) return [`${place}, which has no row`];
      if (rows.indexOf(target) >= position) return [`${place}, which doesn't stand above it`];
      if (target.kind === "door" && row.kind !== "door") return [`${place}: nothing but a door imports a door`];
      if (target.kind === "façade" && row.kind === "room") return [`${place}: only doors import the façade`];
      const isUsed = own.some(({ imports }) => imports.some(({ local }) => local !== null && isUnder(local, name)));
      return isUsed ? [] : [`${place}, and no file does: remove it from the row`];
    });
  });
}

function directionViolations(sources: readonly Source[], rows: readonly Row[]): string[] {
  const paths = new Set(sources.map(({ path }) => path));
  return sources.flatMap(({ path, imports }) => {
    const row = rowOf(rows, path);
    if (row === undefined) return [`src/${path}: lies in no folder of the table in docs/architecture.md`];
    return imports.flatMap(({ local, line }) => {
      if (local === null) return [];
      if (!paths.has(local)) return [`src/${path}:${line}: imports ${local}, which is not in src`];
      const target = rowOf(rows, local);
      if (target === undefined || mayImport(rows, row, target, local)) return [];
      return [`src/${path}:${line}: ${row.path} may not import ${target.path} (src/${local})`];
    });
  });
}

function mayImport(rows: readonly Row[], row: Row, target: Row, file: string): boolean {
  if (target === row || row.may.some((name) => isUnder(file, name))) return true;
  if (!row.above || rows.indexOf(target) > rows.indexOf(row) || target.kind === "door") return false;
  return target.kind === "room" || row.kind !== "room";
}

function packageViolations(sources: readonly Source[], packages: Tables["packages"]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ package: name, line }) => {
      const by = name === null ? undefined : packages.get(name);
      if (by === undefined || by.some((folder) => isUnder(path, folder))) return [];
      return [`src/${path}:${line}: only ${by.join(", ")} may import the package ${name}`];
    }),
  );
}

/** Circles of imports, a shortest one for each file that is in one and in none found before. */
export function circles(sources: readonly Source[]): string[][] {
  const edges = new Map(sources.map(({ path, imports }) => [path, imports.flatMap(({ local }) => local ?? [])]));
  const seen = new Set<string>();
  const found: string[][] = [];
  for (const { path: start } of sources) {
    if (seen.has(start)) continue;
    const circle = circleThrough(start, edges);
    if (circle === null) continue;
    for (const path of circle) seen.add(path);
    found.push(circle);
  }
  return found;
}

/** A shortest way from a file back to itself, breadth first. */
function circleThrough(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const at of queue) {
    for (const next of edges.get(at) ?? []) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
    if (cameFrom.has(start)) break;
  }
  if (!cameFrom.has(start)) return null;
  const circle = [start];
  for (let at = cameFrom.get(start)!; at !== start; at = cameFrom.get(at)!) circle.unshift(at);
  return [start, ...circle];
}

/** The folder that may name a store. The ledger's id is a constant, `LEDGER_ID`, so no file compares with its text. */
const STORE_FOLDERS: Record<string, string | null> = {
  redis: "stores/redis",
  faiss: "stores/faiss",
  postgres: null,
};

/** Comparisons with the name of a store, in each form that the language has. */
export function storeNameViolations(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const lines = withoutComments(text).split("\n");
    return Object.entries(STORE_FOLDERS).flatMap(([store, folder]) => {
      if (folder !== null && isUnder(path, folder)) return [];
      const compares = comparisonWith(`["'\`]${store}["'\`]`);
      return lines.flatMap((line, position) =>
        compares.test(line)
          ? [`src/${path}:${position + 1}: compares with the store name "${store}": ask its traits`]
          : [],
      );
    });
  });
}

function comparisonWith(name: string): RegExp {
  const forms = [
    `[!=]==?\\s*${name}`,
    `${name}\\s*[!=]==?`,
    `\\bcase\\s+${name}`,
    `\\.(?:includes|has|indexOf|get)\\(\\s*${name}\\s*\\)`,
    `\\[[^\\]]*${name}[^\\]]*\\]\\s*\\.(?:includes|indexOf)\\(`,
    `${name}\\s+in\\s`,
  ];
  return new RegExp(forms.join("|"));
}

/** Lines as `wc -l` counts them. */
function linesOf(...sources: Source[]): number {
  return sources.reduce((sum, { text }) => sum + text.split("\n").length - 1, 0);
}

function printSizes(sources: readonly Source[], rows: readonly Row[]): void {
  const print = (own: Source[], name: string) =>
    console.log(`${String(linesOf(...own)).padStart(6)} lines ${String(own.length).padStart(4)} files  ${name}`);
  for (const row of rows) {
    print(
      sources.filter(({ path }) => rowOf(rows, path) === row),
      `src/${row.path}`,
    );
  }
  print([...sources], "src");
  const long = sources.filter((one) => linesOf(one) > LINES_MAX);
  console.log(`${long.length} files of more than ${LINES_MAX} lines`);
  for (const one of long) console.log(`${String(linesOf(one)).padStart(6)} lines  src/${one.path}`);
}

function printGraph(sources: readonly Source[], rows: readonly Row[]): void {
  for (const row of rows) {
    const own = sources.filter(({ path }) => rowOf(rows, path) === row);
    const targets = new Set(own.flatMap(({ imports }) => imports.map(({ local }) => local && rowOf(rows, local))));
    const others = rows.filter((other) => other !== row && targets.has(other));
    console.log(`${row.path} → ${others.map(({ path }) => path).join(", ") || "nothing"}`);
  }
}

function main(): void {
  const clone = fileURLToPath(new URL("..", import.meta.url));
  const tables = parseTables(readFileSync(join(clone, "docs", "architecture.md"), "utf8"));
  const sources = readSources(join(clone, "src"));
  if (process.argv.includes("--sizes")) printSizes(sources, tables.rows);
  if (process.argv.includes("--graph")) printGraph(sources, tables.rows);
  const found = violations(sources, tables);
  for (const line of found) console.error(line);
  console.log(`check-imports: ${sources.length} files, ${found.length} violations`);
  process.exitCode = found.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
