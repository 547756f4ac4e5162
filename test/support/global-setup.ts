import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { openServices } from "../../src/dev/services.ts";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { useWhatIsBuilt } from "./program.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** One per worker; see `postgresUrl` in `services.ts`. */
    postgresUrls: string[];
    /** Shared by all test files: each one uses a key prefix of its own, and none sends FLUSHALL or CONFIG. */
    redisUrl: string;
  }
}

const POSTGRES = {
  settings: {
    // Enough for a test file with a pool or two for each of several nodes.
    max_connections: 200,
    // Its data ends with the run, so a power cut may have it. Every test makes a database and drops it, and each drop is a
    // checkpoint: with synced files that is most of what many tests take. A killed server loses nothing by either.
    fsync: "off",
    full_page_writes: "off",
  },
};

/**
 * Lets all tests, and what they start, run the built command line and FAISS hosts where these are what the sources say:
 * they start in a fraction of the time. Not while somebody edits and watches: what was current is not any more.
 */
function useBuiltPrograms(isWatching: boolean, log: (line: string) => void): void {
  delete process.env[DIST_IS_CURRENT];
  if (isWatching) return;
  if (useWhatIsBuilt()) return;
  log("dist/ is older than src/: programs and FAISS hosts run from sources, which takes longer (npm run build)");
}

/**
 * A password of one round, where 4,096 are usual: a client spends milliseconds on them for each connection, and a test opens
 * a dozen. It is random, and its server lives for one run.
 */
async function makeConnectingCheap(url: string): Promise<void> {
  const { username, password } = new URL(url);
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`set scram_iterations = 1`;
    await sql.unsafe(`alter role ${username} password '${password}'`);
  } finally {
    await sql.end();
  }
}

/**
 * One Redis for the whole run and a PostgreSQL for each worker, started before the first file. Tests that stop or freeze
 * a server start their own.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  useBuiltPrograms(project.config.watch, log);
  const services = await openServices({ postgres: POSTGRES, log });
  const workers = project.config.poolOptions?.forks?.maxForks ?? 1;
  const more = services.source === "embedded" ? Number(workers) - 1 : 0;
  const others = await Promise.all(Array.from({ length: more }, () => startEmbeddedPostgres(POSTGRES)));
  const postgresUrls = [services.postgresUrl, ...others.map(({ url }) => url)];
  if (services.source === "embedded") await Promise.all(postgresUrls.map(makeConnectingCheap));
  project.provide("postgresUrls", postgresUrls);
  project.provide("redisUrl", services.redisUrl);
  return async () => {
    await Promise.all([services.close(), ...others.map((server) => server.close())]);
  };
}
