import { once } from "node:events";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { onceClosed } from "../../../src/http/once-closed.ts";
import { type RouteGroup, route, type Service } from "../../../src/http/route.ts";
import { createServer } from "../../../src/http/server.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { httpOptions } from "../../support/http-service.ts";

/** Goal: a caller that hangs up before its request is handled costs no room and no work. */

const LARGE_BYTES = 20 * 1_048_576;

test("an act for the end of a response runs once: at its close, or at once where it is closed already", async (t) => {
  const server = createHttpServer();
  t.onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
  const acts: string[] = [];
  onceClosed(response, () => void acts.push("before"));
  expect(acts).toEqual([]);
  const closed = once(response, "close");
  socket.destroy();
  await closed;
  expect(acts).toEqual(["before"]);
  onceClosed(response, () => void acts.push("after"));
  expect(acts).toEqual(["before", "after"]);
});

test("a request whose caller hung up before the handler is cancelled, and its answer takes no room", async (t) => {
  const aborted: boolean[] = [];
  const large = route({
    method: "GET",
    path: "/large",
    operationId: "getLarge",
    summary: "An answer that takes more than half of a key's room",
    access: () => "public",
    responses: { 200: { description: "It", schema: () => expect.fail("not asked for"), mediaType: "text/plain" } },
    handle: async ({ signal, onBytes }) => {
      aborted.push(signal.aborted);
      onBytes(LARGE_BYTES);
      return { status: 200, text: "large", headers: { "content-type": "text/plain" } };
    },
  });
  const group: RouteGroup = { tag: "test", routes: [large] };
  const service = { log: silentLog } as Service;
  const app = createServer({ http: httpOptions(), service, keys: null, groups: [group] });
  t.onTestFinished(() => app.close());
  let hangUp: (() => void) | null = null;
  app.addHook("preHandler", async (_, reply) => {
    if (hangUp === null) return;
    const closed = once(reply.raw, "close");
    hangUp();
    await closed;
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  for (let caller = 1; caller <= 2; caller++) {
    const socket = connect(port, "127.0.0.1");
    hangUp = () => socket.destroy();
    socket.write(`GET /large HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
    await expect.poll(() => aborted.length).toBe(caller);
  }
  expect(aborted).toEqual([true, true]);
  hangUp = null;
  const answered = await fetch(`http://127.0.0.1:${port}/large`);
  expect([answered.status, await answered.text()]).toEqual([200, "large"]);
  expect(aborted).toEqual([true, true, false]);
});
