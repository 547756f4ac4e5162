import { expect, test } from "vitest";
import { silentLog } from "../../../src/runtime/log.ts";
import { HostClient } from "../../../src/stores/faiss/client/host-client.ts";
import type { HostConnection } from "../../../src/stores/faiss/client/host-connection.ts";

test("a close while a process starts leaves no rejection behind that nothing handles", async (t) => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", listener);
  t.onTestFinished(() => void process.off("unhandledRejection", listener));
  let exit = (_end: { description: string }): void => undefined;
  const exited = new Promise<{ description: string }>((resolve) => {
    exit = resolve;
  });
  const connection = {
    exited,
    usable: true,
    request: () => new Promise(() => undefined),
    kill: () => exit({ description: "signal SIGKILL" }),
  } as unknown as HostConnection;
  let connected = (_connection: HostConnection): void => undefined;
  const client = new HostClient({
    connect: () =>
      new Promise((resolve) => {
        connected = resolve;
      }),
    recover: async () => undefined,
    pingIntervalMs: 1_000,
    stallMs: 1_000,
    backoffMaxMs: 1_000,
    closeTimeoutMs: 1_000,
    random: Math.random,
    log: silentLog,
  } as ConstructorParameters<typeof HostClient>[0]);
  const started = client.start(AbortSignal.timeout(10_000));
  const closed = client.close();
  connected(connection);
  await expect(started).rejects.toThrow();
  await closed;
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
