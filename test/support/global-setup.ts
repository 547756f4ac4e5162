import type { TestProject } from "vitest/node";
import { openServices } from "../../src/embedded/services.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** For a superuser, or at least one who may send `create database`: every test file makes a database of its own. */
    postgresUrl: string;
    /** Shared by all test files: each one uses a key prefix of its own, and none sends FLUSHALL or CONFIG. */
    redisUrl: string;
  }
}

/** One PostgreSQL and one Redis for the whole run. Tests that stop or freeze a server start their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = await openServices({
    // Enough for test files side by side, each with a pool or two.
    postgres: { settings: { max_connections: 200 } },
    log: (line) => process.stderr.write(`${line}\n`),
  });
  project.provide("postgresUrl", services.postgresUrl);
  project.provide("redisUrl", services.redisUrl);
  return () => services.close();
}
