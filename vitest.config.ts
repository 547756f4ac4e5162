import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    // The package's own name, as examples import it; `paths` in tsconfig.json says the same to the compiler.
    alias: [
      { find: /^mnemosync$/, replacement: source("index.ts") },
      { find: /^mnemosync\/(stores|testing)$/, replacement: source("$1/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Starts PostgreSQL and Redis once, before the first file.
    globalSetup: ["test/support/global-setup.ts"],
    // Processes, not threads: signals, exit handlers and a binding that may abort its process are part of what is tested.
    pool: "forks",
    // Much of a test's time is waiting for servers: two files at a time on two cores, rather than one. Not on a server
    // that was given from outside, since there is only one of it: see `test/support/services.ts`.
    poolOptions: {
      forks: {
        maxForks: process.env.MNEMOSYNC_POSTGRES_URL ? 1 : Math.max(2, availableParallelism() - 1),
        minForks: 1,
      },
    },
    // Real servers on a loaded machine: a limit against hanging, not a measure of speed.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
