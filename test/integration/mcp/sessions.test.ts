import { expect, test, vi } from "vitest";
import { pollUntil } from "../../../src/dev/wait.ts";
import { HttpSession } from "../../../src/mcp/http-session.ts";
import { openService, type TestService } from "../../support/http-service.ts";
import { called, httpClient, listening, refused } from "../../support/mcp-clients.ts";
import { memory, withoutIndex } from "../../support/mcp-worlds.ts";
import { parsePrometheusText, sampleValue } from "../../support/prometheus-text.ts";
import { recordingLog } from "../../unit/faiss/support.ts";

/** Goal: many clients at once, and such as vanish, hang, or ask for too much, cost the service a bounded part of what it has. */

vi.setConfig({ testTimeout: 300_000 });

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};
/** Reads a metric of MCP as it is now. */
async function metrics({ world }: TestService) {
  const families = parsePrometheusText(await world.sync.metrics.text());
  return (name: string, labels: Record<string, string> = {}) => sampleValue(families, `mnemosync_mcp_${name}`, labels);
}

const BOTH = { accept: "application/json, text/event-stream" };

test("a key has so many sessions: a new one takes the place of the idlest, whose client begins anew", async (t) => {
  const service = await openService(t, { world: withoutIndex, mcp: { sessionsPerKeyMax: 2 } });
  const begin = async () => {
    const response = await service.request("POST", "/mcp", { body: INITIALIZE, headers: BOTH });
    return { status: response.statusCode, id: String(response.headers["mcp-session-id"]) };
  };
  const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
  const use = async (id: string, key = service.keys.admin) =>
    await service.request("POST", "/mcp", { key, body: list, headers: { ...BOTH, "mcp-session-id": id } });
  const [first, second] = [await begin(), await begin()];
  expect((await use(first.id)).statusCode).toBe(200); // So the second is the idler one.
  const third = await begin();
  expect(third.status).toBe(200);
  await expect.poll(async () => (await use(second.id)).statusCode).toBe(404);
  expect((await use(first.id)).statusCode).toBe(200);
  // Another owner's session is as if it were not there.
  expect((await use(first.id, service.keys.writer)).json()).toMatchObject({ status: 404, code: "NOT_FOUND" });
  expect((await service.request("DELETE", "/mcp", { headers: { "mcp-session-id": first.id } })).statusCode).toBe(200);
  expect((await use(first.id)).statusCode).toBe(404);
  const metric = await metrics(service);
  expect(metric("sessions_open")).toBe(1);
  expect([metric("sessions_total", { event: "begun" }), metric("sessions_total", { event: "replaced" })]).toEqual([
    3, 1,
  ]);
});

test("a session that does not end in good order makes room all the same, and the log says so", async (t) => {
  const log = recordingLog();
  const service = await openService(t, { world: withoutIndex, mcp: { sessionsPerKeyMax: 1 }, log });
  const begin = () => service.request("POST", "/mcp", { body: INITIALIZE, headers: BOTH });
  await begin();
  vi.spyOn(HttpSession.prototype, "close").mockRejectedValueOnce(new Error("stuck"));
  expect((await begin()).statusCode).toBe(200); // A rejection that nobody handles would fail the run.
  expect((await service.service.mcp()).size).toBe(1);
  expect(log.events.find(({ event }) => event === "mcp.session_end_failed")).toMatchObject({
    level: "warn",
    fields: { keyId: "admin", error: "stuck" },
  });
});

test("sessions in which calls are under way are not ended for a new one", async (t) => {
  const service = await openService(t, { world: withoutIndex, mcp: { sessionsPerKeyMax: 1 } });
  const client = await httpClient(t, service); // Its stream is open: a session that is used.
  await called(client, "remember", memory(1));
  const refusal = await service.request("POST", "/mcp", { body: INITIALIZE, headers: BOTH });
  expect(refusal.json()).toMatchObject({ status: 429, code: "TOO_MANY_STREAMS", retryable: true });
  expect((await metrics(service))("sessions_total", { event: "refused" })).toBe(1);
});

test("what is no session, or no message, is refused with what was expected", async (t) => {
  const service = await openService(t, { world: withoutIndex });
  const bare = await service.request("POST", "/mcp", {
    body: { jsonrpc: "2.0", id: 1, method: "tools/list" },
    headers: BOTH,
  });
  expect(bare.json()).toMatchObject({
    status: 400,
    code: "MALFORMED_REQUEST",
    detail: expect.stringContaining("initialize"),
  });
  expect((await service.request("POST", "/mcp", { body: INITIALIZE })).statusCode).toBe(406);
  expect((await service.request("GET", "/mcp", { headers: BOTH })).statusCode).toBe(400);
  expect((await service.request("POST", "/mcp", { key: null, body: INITIALIZE, headers: BOTH })).statusCode).toBe(401);
  expect((await service.service.mcp()).size).toBe(0);
  const off = await openService(t, { world: withoutIndex, mcp: { enabled: false } });
  expect((await off.request("POST", "/mcp", { body: INITIALIZE, headers: BOTH })).statusCode).toBe(404);
});

test("a call beyond its deadline, and one too many at a time, are told what to do", async (t) => {
  const service = await openService(t, { world: withoutIndex, mcp: { callTimeoutMs: 1_500, callsMax: 2 } });
  const client = await httpClient(t, service);
  const { world } = service;
  // Not through the client: a write may take longer than its deadline on a busy machine.
  await world.sync.syncMemory("mem-1", { content: "note 1", memoryType: "semantic" });
  const locks = await world.sql.reserve();
  t.onTestFinished(async () => locks.release());
  await locks`begin`;
  await locks`lock table mnemosync.memory_versions in access exclusive mode`;
  const calls = [1, 2, 3].map(() => refused(client, "list", {}));
  const codes = (await Promise.all(calls)).map(({ error }) => error.code);
  expect(codes.sort()).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "TOO_MANY_CALLS"]);
  await locks`rollback`;
  const late: unknown[] = [];
  const list = async () => {
    const { isError, structuredContent, _meta } = await client.callTool({ name: "list", arguments: {} });
    if (isError === true) late.push(_meta?.["mnemosync/error"]);
    return structuredContent;
  };
  await expect.poll(list, { timeout: 60_000 }).toMatchObject({ memories: [{ memoryId: "mem-1" }] });
  // A machine so busy that a list takes 1.5 s excuses this, and nothing else.
  expect(late).toMatchObject(late.map(() => ({ code: "DEADLINE_EXCEEDED" })));
  await refused(client, "list", { limit: 0 });
  await refused(client, "dream");
  const metric = await metrics(service);
  const [ok, wrong, failed] = ["ok", "refused", "failed"].map((outcome) =>
    Number(metric("calls_total", { call: "list", outcome })),
  );
  expect([ok, wrong, metric("calls_total", { call: "unknown", outcome: "refused" })]).toEqual([1, 2, 1]);
  expect(failed).toBe(2 + late.length);
  expect(metric("call_duration_seconds_count", { call: "list" })).toBe(5 + late.length);
  expect(metric("call_duration_seconds_sum", { call: "list" })).toBeGreaterThan(2.5); // Two that lasted 1.5 s.
});

test("a call that its client cancels ends, is no defect, and the next one works", async (t) => {
  const log = recordingLog();
  const service = await openService(t, { world: withoutIndex, log });
  const client = await httpClient(t, service);
  const locks = await service.world.sql.reserve();
  t.onTestFinished(async () => locks.release());
  await locks`begin`;
  await locks`lock table mnemosync.memory_versions in access exclusive mode`;
  const cancel = new AbortController();
  const call = client.callTool({ name: "list", arguments: {} }, undefined, { signal: cancel.signal });
  call.catch(() => undefined);
  const sessions = await service.service.mcp();
  await pollUntil("the call to run", 30_000, () => sessions.running === 1);
  cancel.abort("no longer needed");
  await expect(call).rejects.toThrow("no longer needed");
  await pollUntil("the call to end", 30_000, () => sessions.running === 0);
  await locks`rollback`;
  await called(client, "list");
  expect(log.events.filter(({ event }) => event === "mcp.defect")).toEqual([]);
  const metric = await metrics(service);
  const lists = ["ok", "failed", "cancelled"].map((outcome) => metric("calls_total", { call: "list", outcome }));
  expect(lists).toEqual([1, 0, 1]);
});

test("an update that comes while the session has no stream is told once it has one", async (t) => {
  const service = await openService(t, { world: withoutIndex });
  const client = await httpClient(t, service);
  await called(client, "remember", memory(1));
  await client.subscribeResource({ uri: "memory://default/mem-1" });
  const id = (client.transport as { sessionId?: string }).sessionId as string;
  await client.close(); // Its stream is cut, and the session stays.
  const sessions = await service.service.mcp();
  await pollUntil("the stream to be gone", 30_000, () => sessions.busy === 0);
  await service.world.sync.patch("mem-1", { importance: 1 });
  const response = await fetch(await listening(service), {
    headers: { ...BOTH, authorization: `Bearer ${service.keys.admin}`, "mcp-session-id": id },
  });
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect(new TextDecoder().decode(value)).toContain("notifications/resources/updated");
  await reader?.cancel();
});
