import { expect, test } from "vitest";
import { EpochChangedError } from "../../../src/domain/errors.ts";
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
  const started = client.start(AbortSignal.timeout(60_000));
  const closed = client.close();
  connected(connection);
  await expect(started).rejects.toThrow();
  await closed;
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});

test("an epoch that begins while the first process recovers is entered by a fresh process; of three, the last one's error is told", async () => {
  const clientOf = (brokenRecoveries: number) => {
    const counts = { started: 0, recoveries: 0 };
    const client = new HostClient({
      connect: async () => {
        counts.started++;
        let exit = (_end: { description: string }): void => undefined;
        const exited = new Promise<{ description: string }>((resolve) => {
          exit = resolve;
        });
        const end = (): void => exit({ description: "signal SIGKILL" });
        const request = async () => null;
        return { exited, usable: true, request, kill: end, stop: async () => end() } as unknown as HostConnection;
      },
      recover: async () => {
        if (++counts.recoveries <= brokenRecoveries) throw new EpochChangedError("one", "two");
      },
      pingIntervalMs: 60_000,
      stallMs: 60_000,
      backoffMaxMs: 1_000,
      closeTimeoutMs: 1_000,
      random: Math.random,
      log: silentLog,
    });
    return { client, counts };
  };
  const passing = clientOf(1);
  await passing.client.start(AbortSignal.timeout(60_000));
  expect([passing.client.state, passing.counts.started]).toEqual(["ready", 2]);
  await passing.client.close();
  const lasting = clientOf(3);
  await expect(lasting.client.start(AbortSignal.timeout(60_000))).rejects.toThrow(EpochChangedError);
  expect(lasting.counts.started).toBe(3);
});
