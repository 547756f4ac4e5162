import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type UserWorkspaceConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url));

/** Tests that enumerate, fuzz or run for long. `npm run test:deep` runs them, and `.ci/run` does too. */
const DEEP = "test/**/*.deep.test.ts";

/** Tests of `src/connectors`: `.ci/run` runs them by themselves, and measures how much of that folder they reach. They share a process, too. */
const CONNECTORS = [
  "test/unit/connectors/**/*.test.ts",
  "test/integration/{connector,writing-a-connector}*.test.ts",
  "test/conformance/connector-state-postgres.test.ts",
  "test/unit/edge/connector-state.test.ts",
];

/**
 * Files that need a process of their own, by their names before `.test.ts`: they count modules, load them anew or in place of
 * others, load the binding of FAISS, measure memory, or change what belongs to the whole process.
 */
const OWN_PROCESS = [
  ...["add-many", "binding", "search-results", "vectors", "private-files", "host-client"], // unit/faiss
  ...["lazy-schemas", "shared-deadline", "errors", "columns"],
  "read-back", // of property: on real stores
  ...["built-program", "version-matrix", "embedded-services", "embedded-lifeline"],
  ...["console", "console-operation", "console-service"], // they drive a browser
  ...["faiss-recovery", "faiss-torn", "faiss-faults", "restart"], // the umask, the binding, the hosts of a process and what they leave
];

/**
 * All other files share a process, with a thread for each core, and each module is loaded once in it: most files run for less time
 * than it takes to start a process and load zod and the sources.
 */
const shared = (folders: string): string => `test/${folders}/**/!(${OWN_PROCESS.join("|")}).test.ts`;

/** Tests of modules, which need no servers. */
const UNIT = shared("{unit,property,model}");

/** Tests on real stores. */
const STORES = shared("!(unit|property|model)");

type ProjectTest = NonNullable<UserWorkspaceConfig["test"]>;

function project(
  name: string,
  files: { include: string[]; exclude: string[] },
  more: Partial<ProjectTest> = {},
): UserWorkspaceConfig {
  return {
    resolve: {
      // The package's own name, as examples import it; `paths` in tsconfig.json says the same to the compiler.
      alias: [
        { find: /^mnemosync$/, replacement: source("index.ts") },
        { find: /^mnemosync\/(stores|testing|edge|connectors|mcp)$/, replacement: source("$1/index.ts") },
        { find: /^mnemosync\/(langgraph|langchain)$/, replacement: source("adapters/$1/index.ts") },
      ],
    },
    test: {
      name,
      ...files,
      // Processes, not threads: signals, exit handlers and a binding that may abort its process are part of what is tested.
      pool: "forks",
      // After those that share a process: two files at a time are enough for two cores.
      sequence: { groupOrder: 1 },
      // On a machine that others load: limits against hanging, not measures of speed. That of `expect.poll` is a second where none is set.
      testTimeout: 30_000,
      hookTimeout: 120_000,
      expect: { poll: { timeout: 30_000 } },
      // Characters of a value that a failed expectation shows. With the default of 40 a list of broken promises is "[ Array(1) ]",
      // and a rare failure of a long run has told nothing.
      chaiConfig: { truncateThreshold: 4_000 },
      ...more,
    },
  };
}

/** For a project whose files share a process. */
const SHARED: Partial<ProjectTest> = {
  pool: "threads",
  poolOptions: { threads: { isolate: false } },
  sequence: { groupOrder: 0 },
  setupFiles: ["test/support/shared-process.ts"],
};

/**
 * For one whose files set limits of their own: where a process is shared `vi.setConfig` reaches the first file of each thread only, so
 * the limits against hanging are those of the slowest file.
 */
const SLOW: Partial<ProjectTest> = { testTimeout: 400_000 };

/** For files with processes of their own, and real servers. */
const UNHURRIED: Partial<ProjectTest> = { testTimeout: 240_000 };

/**
 * Much of a test's time is waiting for servers: two files at a time on two cores, rather than one. Not on a server that was
 * given from outside, since there is only one of it: see `test/support/services.ts`.
 */
const FILES_AT_ONCE = process.env.MNEMOSYNC_POSTGRES_URL ? 1 : Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: {
    // `vitest run FILE` finds the file in any project; `npm test` and `npm run test:deep` name theirs with --project.
    projects: [
      project("unit", { include: [UNIT], exclude: [DEEP, ...CONNECTORS] }, SHARED),
      project("stores", { include: [STORES], exclude: [DEEP, ...CONNECTORS] }, { ...SHARED, ...SLOW }),
      project("daily", { include: ["test/**/*.test.ts"], exclude: [DEEP, UNIT, STORES, ...CONNECTORS] }, UNHURRIED),
      project("connectors", { include: CONNECTORS, exclude: [DEEP] }, { ...SHARED, ...SLOW }),
      project("deep", { include: [DEEP], exclude: [] }, UNHURRIED),
    ],
    // Starts PostgreSQL and Redis once for the run, before the first file. Here rather than in a project: each project
    // that names it would start servers of its own.
    globalSetup: ["test/support/global-setup.ts"],
    sequence: { sequencer: LongestFirst },
    poolOptions: {
      forks: { minForks: 1, maxForks: FILES_AT_ONCE },
      // Of the projects that share a process; whether workers are shared is asked here, and modules there.
      threads: { isolate: false, minThreads: 1, maxThreads: FILES_AT_ONCE },
    },
    // With --coverage only. What runs in a process of its own is not counted: commands of the built program, nodes that die.
    coverage: {
      provider: "v8",
      include: ["src/connectors/**/*.ts"],
      reporter: [["text", { skipFull: true }]],
      reportsDirectory: "node_modules/.cache/coverage",
      thresholds: { lines: 90 },
    },
    teardownTimeout: 20_000,
  },
});
