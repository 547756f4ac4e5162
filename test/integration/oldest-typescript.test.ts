import { execFile } from "node:child_process";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "../support/program.ts";

/**
 * Goal: the types work from TypeScript 5.2 on, and an editor shows their documentation. Method: the declarations that the
 * build makes, a consumer's program, and the language service of that TypeScript, strict and with `skipLibCheck: false`.
 */

/** The part of TypeScript's API that is used here. Its own declarations need more than a test should know. */
interface Diagnostic {
  readonly file?: { readonly fileName: string };
  readonly messageText: unknown;
}
interface LanguageService {
  getProgram(): { getSourceFiles(): readonly { fileName: string; text: string }[] };
  getSyntacticDiagnostics(file: string): readonly Diagnostic[];
  getSemanticDiagnostics(file: string): readonly Diagnostic[];
  getQuickInfoAtPosition(file: string, position: number): { documentation?: unknown; tags?: unknown } | undefined;
}

const oldest = createRequire(join(REPOSITORY, "test", "oldest-typescript", "package.json"));

test("a consumer's program compiles, and every field and method that it uses shows documentation", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-types-test-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await provideDeclarations(join(folder, "dist"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await symlink(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
  const consumer = join(folder, "consumer.ts");
  await cp(join(REPOSITORY, "test", "oldest-typescript", "consumer.ts"), consumer);

  const { ts, service } = languageService(folder, consumer);
  expect(ts.version).toMatch(/^5\.2\./);
  const sources = service.getProgram().getSourceFiles();
  // Of this package alone: zod's declarations use a type of TypeScript 5.4, for which a user sets `skipLibCheck`.
  const own = sources.filter(({ fileName }) => fileName === consumer || fileName.startsWith(join(folder, "dist")));
  expect(own.length).toBeGreaterThan(100);
  const complaints: string[] = [];
  for (const { fileName } of own) {
    await turn(); // The test runner takes a process for lost that hears nothing for a minute.
    const found = [...service.getSyntacticDiagnostics(fileName), ...service.getSemanticDiagnostics(fileName)];
    for (const { messageText } of found)
      complaints.push(`${fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  }
  expect(complaints).toEqual([]);

  const text = sources.find(({ fileName }) => fileName === consumer)?.text ?? "";
  const shown = (use: string): string => {
    const position = text.indexOf(use);
    expect(position, `${use} in the consumer's program`).toBeGreaterThan(0);
    const info = service.getQuickInfoAtPosition(consumer, position + (/^\W*/.exec(use)?.[0].length ?? 0));
    return JSON.stringify([info?.documentation, info?.tags]);
  };
  expect(shown("batchSize:")).toContain("Memories per transaction, at most. From 1 to 5_000.");
  expect(shown("batchSize:")).toContain('"text":"100"');
  expect(shown("dimension:")).toContain("Numbers per vector");
  expect(shown("syncIntervalMs:")).toContain("Milliseconds between passes of the backlog");
  expect(shown("importance:")).toContain("From 0 to 1");
  expect(shown("memoryType:")).toContain("A name of your choice");
  expect(shown("expectedVersion:")).toContain("The version that the memory must be at");
  expect(shown("k: 3")).toContain("Results wanted");
  expect(shown("onProgress:")).toContain("Called after each slice");
  expect(shown(".syncBatch(")).toContain("Writes many memories");
  expect(shown(".metadata.user")).not.toBe("");
  expect(shown(".current?")).toContain("The memory as the ledger held it");
  expect(shown(".contentType")).toContain("content-type");
}, 300_000);

/** Those of `dist/`, where it is made of the sources as they are; else they are made. */
async function provideDeclarations(folder: string): Promise<void> {
  if (process.env[DIST_IS_CURRENT] === "yes") {
    const filter = (from: string): boolean => !/\.(js|map)$/.test(from);
    return await cp(join(REPOSITORY, "dist"), folder, { recursive: true, filter });
  }
  const tsc = join(REPOSITORY, "node_modules", ".bin", "tsc");
  const emit = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--sourceMap", "false", "--outDir"];
  await promisify(execFile)(tsc, [...emit, folder], { cwd: REPOSITORY });
}

/** The language service of the oldest TypeScript, for one file that gets this package by its name. */
function languageService(folder: string, file: string) {
  const ts = oldest("typescript");
  const { options } = ts.convertCompilerOptionsFromJson(
    {
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      target: "es2022",
      lib: ["es2022", "esnext.disposable"],
      module: "nodenext",
      moduleResolution: "nodenext",
      types: ["node"],
      typeRoots: [join(REPOSITORY, "node_modules", "@types")],
      baseUrl: folder,
      paths: { mnemosync: ["dist/index.d.ts"], "mnemosync/*": ["dist/*/index.d.ts"] },
    },
    folder,
  );
  const service: LanguageService = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name: string) => {
      const text = ts.sys.readFile(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: (settings: unknown) => ts.getDefaultLibFilePath(settings),
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath,
  });
  return { ts, service };
}
