import { closeAll } from "../runtime/close-all.ts";
import { containerEngineAnswers, startPostgresContainer, startRedisContainer } from "./containers.ts";
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from "./postgres-server.ts";
import { type EmbeddedRedisOptions, startEmbeddedRedis } from "./redis-server.ts";

export interface ServicesOptions {
  /**
   * The environment with MNEMOSYNC_POSTGRES_URL, MNEMOSYNC_REDIS_URL and MNEMOSYNC_CONTAINERS.
   * @default process.env
   */
  environment?: Readonly<Record<string, string | undefined>>;
  /** For an embedded PostgreSQL. */
  postgres?: EmbeddedPostgresOptions;
  /** For an embedded Redis. */
  redis?: EmbeddedRedisOptions;
  /** Called with a message when the requested kind of server is not available and another is used. */
  log?: (line: string) => void;
}

export interface Services {
  /** A URL whose user has the right to `create database`. */
  readonly postgresUrl: string;
  readonly redisUrl: string;
  /** The origin of the servers; when the environment has only one URL, the origin of the other server. */
  readonly source: "environment" | "containers" | "embedded";
  /** Ends the servers started here, and not those from the environment. Idempotent. */
  close(): Promise<void>;
}

interface Service {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A PostgreSQL and a Redis, ready for use. A URL in the environment is used unchecked. Otherwise the server is a container
 * if MNEMOSYNC_CONTAINERS is 1 and a Docker engine answers, or else embedded. If one server fails to start, the other is
 * ended.
 * @throws {ConfigurationError | StoreUnavailableError} The message names the package to install or the variable to set.
 */
export async function openServices(options: ServicesOptions = {}): Promise<Services> {
  const environment = options.environment ?? process.env;
  const given = { postgres: environment.MNEMOSYNC_POSTGRES_URL, redis: environment.MNEMOSYNC_REDIS_URL };
  const source = given.postgres && given.redis ? "environment" : await chooseSource(environment, options.log);
  const inContainers = source === "containers";
  const [postgres, redis] = await openAll([
    () =>
      fromUrl(given.postgres) ?? (inContainers ? startPostgresContainer() : startEmbeddedPostgres(options.postgres)),
    () => fromUrl(given.redis) ?? (inContainers ? startRedisContainer() : startEmbeddedRedis(options.redis)),
  ]);
  let closed: Promise<void> | undefined;
  return {
    postgresUrl: postgres.url,
    redisUrl: redis.url,
    source,
    close: () => {
      closed ??= closeAll([postgres, redis].map((service) => () => service.close()));
      return closed;
    },
  };
}

async function chooseSource(
  environment: Readonly<Record<string, string | undefined>>,
  log?: (line: string) => void,
): Promise<"containers" | "embedded"> {
  if (environment.MNEMOSYNC_CONTAINERS !== "1") return "embedded";
  if (await containerEngineAnswers()) return "containers";
  log?.("MNEMOSYNC_CONTAINERS is 1 but no Docker engine answers: using embedded servers");
  return "embedded";
}

function fromUrl(url: string | undefined): Promise<Service> | undefined {
  // An empty variable counts as unset: a shell or a compose file clears a variable in this way.
  return url ? Promise.resolve({ url, close: async () => {} }) : undefined;
}

async function openAll(openers: [() => Promise<Service>, () => Promise<Service>]): Promise<[Service, Service]> {
  const [first, second] = await Promise.allSettled([openers[0](), openers[1]()]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  const opened = [first, second].flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  await closeAll(opened.map((service) => () => service.close()));
  throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
}
