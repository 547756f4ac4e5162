import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventStream } from "../../../src/http/event-stream.ts";
import { untilAborted } from "../../../src/runtime/deadline.ts";

/** Goal: what a reader is told while nothing changes, and how a stream ends that has no reader. */

const identity = { id: "k", owner: "k", scope: "read", namespaces: null } as const;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function open(method = "GET", isAdmitted = async () => true) {
  const request = new IncomingMessage(new Socket());
  request.method = method;
  const response = new ServerResponse(request);
  let text = "";
  const socket = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  });
  response.useChunkedEncodingByDefault = false;
  response.assignSocket(socket as unknown as Socket);
  response.once("finish", () => response.emit("close"));
  const [hangUp, stopping] = [new AbortController(), new AbortController()];
  const caller = { identity, signal: hangUp.signal, isAdmitted };
  const stream = new EventStream(response, { caller, stopping: stopping.signal, stallTimeoutMs: 1_000 });
  return { stream, stopping, hangUp, body: () => text.slice(text.indexOf("\r\n\r\n") + 4) };
}

const forever = (stream: EventStream) => untilAborted(new Promise<void>(() => undefined), stream.signal);

test("a heartbeat moves the reader on once, and never back behind an event", async () => {
  const { stream, stopping, body } = open();
  const running = stream.run(async () => {
    stream.passed("p1");
    await stream.send({ event: "put", id: "p2", data: { a: 1 } });
    await forever(stream);
  });
  const first = 'event: put\nid: p2\ndata: {"a":1}\n\n';
  await vi.advanceTimersByTimeAsync(15_000);
  expect(body()).toBe(`${first}: still here\n\n`);
  stream.passed("p3");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(body()).toBe(`${first}: still here\n\n: still here\nid: p3\n\n: still here\n\n`);
  stopping.abort();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await running).toBeNull();
  expect(body()).toMatch(/event: closed\ndata: \{"status":503,"code":"NOT_READY".*"retryable":true\}\n\n$/);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(["HEAD", "GET"])("a %s without a reader ends at once, and no work begins", async (method) => {
  const { stream, hangUp } = open(method);
  if (method === "GET") hangUp.abort();
  const work = vi.fn(async () => forever(stream));
  const running = stream.run(work);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await running).toBeNull();
  expect(work).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test("a failure is told by its code, without what a driver said, and given back for the log", async () => {
  const { stream, body } = open();
  const failure = new Error("connect ECONNREFUSED 10.0.0.1:5432");
  const running = stream.run(() => Promise.reject(failure));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await running).toBe(failure);
  expect(body()).toMatch(/^event: closed\ndata: \{"status":500,"code":"INTERNAL"/);
  expect(body()).not.toMatch(/10\.0\.0\.1/);
});
