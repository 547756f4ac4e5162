import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { AddressGuard } from "../../../src/webhooks/address-guard.ts";
import { Sender } from "../../../src/webhooks/sender.ts";

/** Goal: the calls of one subscription do not hold up those of another one whose receiver has the same address. */

test("calls that hang at an origin leave other calls to this origin alone", async (t) => {
  let hanging = 0;
  let tellHang: (() => void) | null = null;
  const server = createServer((request, response) => {
    if (request.url === "/answers") return void response.writeHead(204).end();
    hanging++;
    tellHang?.();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const sender = new Sender({
    ...{ guard: new AddressGuard({ allowed: ["127.0.0.1"] }), allowHttp: true, timeoutMs: 60_000, userAgent: "test" },
  });
  t.onTestFinished(() => sender.close());
  const stopping = new AbortController();
  const message = { id: "msg_1", body: "{}" };
  // As many as one subscription has under way.
  const stuck = Array.from({ length: 8 }, () =>
    sender.send(`http://127.0.0.1:${port}/hangs`, message, [], stopping.signal).catch(() => "stopped"),
  );
  const isHanging = new Promise<void>((resolve) => {
    tellHang = () => hanging >= 4 && resolve();
  });
  await isHanging;
  const answer = await sender.send(`http://127.0.0.1:${port}/answers`, message, [], AbortSignal.timeout(60_000));
  expect(answer).toEqual({ outcome: "accepted", status: 204 });
  stopping.abort();
  expect(await Promise.all(stuck)).toEqual(Array.from({ length: 8 }, () => "stopped"));
});

test("a call ends with its signal while the name of its receiver is still looked up", async (t) => {
  const stopping = new AbortController();
  const reason = new Error("stopping");
  const resolve = () => {
    setImmediate(() => stopping.abort(reason));
    return new Promise<never>(() => undefined);
  };
  const sender = new Sender({
    ...{ guard: new AddressGuard({ allowed: [], resolve }), allowHttp: true, timeoutMs: 20_000, userAgent: "test" },
  });
  t.onTestFinished(() => sender.close());
  const call = sender.send("http://receiver.example/", { id: "msg_1", body: "{}" }, [], stopping.signal);
  await expect(Promise.race([call, new Promise((_, reject) => setTimeout(reject, 30_000))])).rejects.toBe(reason);
});
