import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type UserWorkspaceConfig } from "vitest/config";

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url));

/** Tests that enumerate, fuzz or run for long. `npm run test:deep` runs them, and `.ci/run` does too. */
const DEEP = "test/**/*.deep.test.ts";

/** Tests of `src/connectors`: `.ci/run` runs them by themselves, and measures how much of that folder they reach. */
const CONNECTORS = [
  "test/unit/connectors/**/*.test.ts",
  "test/integration/{connector,writing-a-connector}*.test.ts",
  "test/conformance/connector-state-postgres.test.ts",
  "test/unit/edge/connector-state.test.ts",
];

/**
 * Files of unit tests that need a process of their own, by their names before `.test.ts`: they count modules or load them anew,
 * load the binding of FAISS, measure memory, or change what belongs to the whole process.
 */
const OWN_PROCESS = [
  ...["add-many", "binding", "search-results", "vectors", "private-files", "host-client"], // unit/faiss
  ...["lazy-schemas", "shared-deadline", "errors", "columns"],
  "read-back", // of property: on real stores
];

/**
 * The other tests of modules. They share a process for each core, and each module is loaded once in it: most of these files run for
 * less time than it takes to load zod and the sources.
 */
const UNIT = `test/{unit,property,model}/**/!(${OWN_PROCESS.join("|")}).test.ts`;

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
      // After those of the project `unit`: two files at a time are enough for two cores.
      sequence: { groupOrder: 1 },
      // Real servers on a loaded machine: a limit against hanging, not a measure of speed.
      testTimeout: 30_000,
      hookTimeout: 60_000,
      // Characters of a value that a failed expectation shows. With the default of 40 a list of broken promises is "[ Array(1) ]",
      // and a rare failure of a long run has told nothing.
      chaiConfig: { truncateThreshold: 4_000 },
      ...more,
    },
  };
}

export default defineConfig({
  test: {
    // `vitest run FILE` finds the file in any project; `npm test` and `npm run test:deep` name theirs with --project.
    projects: [
      project(
        "unit",
        { include: [UNIT], exclude: [DEEP, ...CONNECTORS] },
        {
          pool: "threads",
          poolOptions: { threads: { isolate: false } },
          sequence: { groupOrder: 0 },
          setupFiles: ["test/support/shared-process.ts"],
        },
      ),
      project("daily", { include: ["test/**/*.test.ts"], exclude: [DEEP, UNIT, ...CONNECTORS] }),
      project("connectors", { include: CONNECTORS, exclude: [DEEP] }),
      project("deep", { include: [DEEP], exclude: [] }),
    ],
    // Starts PostgreSQL and Redis once for the run, before the first file. Here rather than in a project: each project
    // that names it would start servers of its own.
    globalSetup: ["test/support/global-setup.ts"],
    // Much of a test's time is waiting for servers: two files at a time on two cores, rather than one. Not on a server
    // that was given from outside, since there is only one of it: see `test/support/services.ts`.
    poolOptions: {
      forks: {
        maxForks: process.env.MNEMOSYNC_POSTGRES_URL ? 1 : Math.max(2, availableParallelism() - 1),
        minForks: 1,
      },
      // Of the project `unit`; whether workers are shared is asked here, and modules there.
      threads: { isolate: false, minThreads: 1, maxThreads: Math.max(2, availableParallelism() - 1) },
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
