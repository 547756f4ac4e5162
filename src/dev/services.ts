import { closeAll } from "../runtime/close-all.ts";
import { containerEngineAnswers, startPostgresContainer, startRedisContainer } from "./containers.ts";
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from "./postgres-server.ts";
import { type EmbeddedRedisOptions, startEmbeddedRedis } from "./redis-server.ts";

export interface ServicesOptions {
  /**
   * Where MNEMOSYNC_POSTGRES_URL, MNEMOSYNC_REDIS_URL and MNEMOSYNC_CONTAINERS are looked up.
   * @default process.env
   */
  environment?: Readonly<Record<string, string | undefined>>;
  /** For an embedded PostgreSQL. */
  postgres?: EmbeddedPostgresOptions;
  /** For an embedded Redis. */
  redis?: EmbeddedRedisOptions;
  /** Called with a line for people when the requested kind of server is not available and another is used. */
  log?: (line: string) => void;
}

export interface Services {
  /** For a user who may send `create database`. */
  readonly postgresUrl: string;
  readonly redisUrl: string;
  /** Where the servers come from; where only one URL is in the environment, where the other one comes from. */
  readonly source: "environment" | "containers" | "embedded";
  /** Ends what was started here and leaves servers from the environment alone. Safe twice. */
  close(): Promise<void>;
}

interface Service {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A PostgreSQL and a Redis that are ready for use. Each one that has a URL in the environment is taken from there,
 * unchecked. The others are containers if MNEMOSYNC_CONTAINERS is 1 and a Docker engine answers, else embedded.
 * If one cannot be started, the other is ended.
 * @throws {ConfigurationError | StoreUnavailableError} The message says what to install or to set.
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
  // An empty variable counts as none: that is how a shell or a compose file clears one.
  return url ? Promise.resolve({ url, close: async () => {} }) : undefined;
}

async function openAll(openers: [() => Promise<Service>, () => Promise<Service>]): Promise<[Service, Service]> {
  const [first, second] = await Promise.allSettled([openers[0](), openers[1]()]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  const opened = [first, second].flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  await closeAll(opened.map((service) => () => service.close()));
  throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
}
