import type { StartedTestContainer } from "testcontainers";

/** The same versions as in docker-compose.yml. */
const postgresImage = "postgres:17";
const redisImage = "redis:7.4";

export interface Container {
  url: string;
  close(): Promise<void>;
}

/**
 * Whether the `testcontainers` package is installed and a Docker engine answers. Containers run in continuous integration
 * only: on a machine without an engine the code below is never exercised.
 */
export async function containerEngineAnswers(): Promise<boolean> {
  try {
    const { getContainerRuntimeClient } = await import("testcontainers");
    await getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}

/** Has the superuser `postgres`, like the embedded server. */
export async function startPostgresContainer(): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(postgresImage)
    .withEnvironment({ POSTGRES_PASSWORD: "mnemosync" })
    .withCommand(["postgres", "-c", "max_connections=200"])
    .withExposedPorts(5432)
    // Wait for the message twice: the image restarts the server after it has created the cluster.
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start();
  return opened(container, `postgres://postgres:mnemosync@${address(container, 5432)}/postgres`);
}

export async function startRedisContainer(): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(redisImage)
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start();
  return opened(container, `redis://${address(container, 6379)}`);
}

function address(container: StartedTestContainer, port: number): string {
  return `${container.getHost()}:${container.getMappedPort(port)}`;
}

function opened(container: StartedTestContainer, url: string): Container {
  return {
    url,
    close: async () => {
      await container.stop();
    },
  };
}
