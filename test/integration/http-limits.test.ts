import { once } from "node:events";
import { connect } from "node:net";
import postgres from "postgres";
import { afterAll, expect, test, vi } from "vitest";
import { MEMORY, openService, type TestService } from "../support/http-service.ts";
import { postgresUrl } from "../support/services.ts";

/** Goal: the work of a request is bounded before it is done, and each refusal is a problem document. */

const MEBIBYTE = 1_048_576;
const MEMORY_URL = "/v1/namespaces/default/memories/m1";
const BATCH_URL = "/v1/namespaces/default/batch";
const SEARCH_URL = "/v1/namespaces/default/search";

const repeated = (part: (index: number) => string, bytes: number): string => {
  const parts: string[] = [];
  for (let length = 0, index = 0; length < bytes; index++) {
    const next = part(index);
    parts.push(next);
    length += next.length + 1;
  }
  return parts.join(",");
};

/** Bodies of 12 MB, or as many parts as a smaller one needs to be over a limit. */
const TOO_LARGE: [string, "PUT" | "POST", string, () => string, RegExp][] = [
  [
    "a filter of 12 MB",
    "POST",
    SEARCH_URL,
    () => `{"filter":{"metadata":{${repeated((n) => `"f${n}":[]`, 12e6)}}}}`,
    /./,
  ],
  [
    "a filter of 6 MB",
    "POST",
    SEARCH_URL,
    () => `{"filter":{"metadata":{${repeated((n) => `"f${n}":[]`, 6e6)}}}}`,
    /texts, names/,
  ],
  ["a vector of 100,000 numbers", "POST", SEARCH_URL, () => `{"vector":[${repeated(() => "1", 200_000)}]}`, /entries/],
  ["metadata of many keys", "PUT", MEMORY_URL, () => `{"metadata":{${repeated((n) => `"k${n}":1`, 12e6)}}}`, /fields/],
  [
    "nested lists",
    "PUT",
    MEMORY_URL,
    () => `{"metadata":{"a":[${repeated(() => "[[]]", 12e6)}]}}`,
    /texts, names, lists/,
  ],
  ["unknown fields", "PUT", MEMORY_URL, () => `{${repeated((n) => `"u${n}":1`, 12e6)}}`, /fields/],
  ["a name of 1 MiB", "PUT", MEMORY_URL, () => `{"${"n".repeat(MEBIBYTE)}":1}`, /name of a field is 1048576 bytes/],
  ["many texts", "POST", BATCH_URL, () => `{"memories":[${repeated((n) => `{"x":["${n}","${n}"]}`, 12e6)}]}`, /texts/],
  ["many empty objects", "POST", BATCH_URL, () => `{"memories":[${repeated(() => "{}", 12e6)}]}`, /entries/],
  ["an order of 100 KB", "POST", "/v1/checks", () => `{"scope":"${"x".repeat(100_000)}"}`, /65536 bytes/],
  ["an order of many parts", "POST", "/v1/repairs", () => `{"x":[${repeated(() => "{}", 10_000)}]}`, /values/],
];

test.each(TOO_LARGE)("%s is refused with 413 before it is parsed", async (_, method, url, body, message) => {
  const service = await shared();
  const text = body();
  const parse = vi.spyOn(JSON, "parse");
  const response = await service.request(method, url, { body: text });
  // The test runner parses source maps in this process.
  const parsed = parse.mock.calls.filter(([source]) => source.length > 10_000 && !source.startsWith('{"version":'));
  parse.mockRestore();
  expect([response.statusCode, response.json().code]).toEqual([413, "BODY_TOO_LARGE"]);
  expect(response.json().detail).toMatch(message);
  expect(parsed).toEqual([]);
});

const FLAWED: [string, "PUT" | "POST", string, unknown, string][] = [
  [
    "a filter of 101 fields",
    "POST",
    SEARCH_URL,
    { vector: [1], filter: { metadata: fields(101, 1) } },
    "filter.metadata",
  ],
  [
    "a filter of lists",
    "POST",
    SEARCH_URL,
    { vector: [1], filter: { metadata: fields(50, []) } },
    "filter.metadata.f0",
  ],
  ["texts in a vector", "PUT", MEMORY_URL, { ...MEMORY, embedding: new Array(10_000).fill("x") }, "embedding"],
  ["5,001 memories", "POST", BATCH_URL, { memories: new Array(5_001).fill({}) }, "memories"],
];

function fields(count: number, value: unknown): object {
  return Object.fromEntries(Array.from({ length: count }, (_, number) => [`f${number}`, value]));
}

test.each(FLAWED)("%s: the first flaw ends the validation", async (_, method, url, body, path) => {
  const service = await shared();
  const response = await service.request(method, url, { body });
  expect([response.statusCode, response.json().path]).toEqual([422, path]);
  expect(response.body.length).toBeLessThan(1_000);
});

test("a message cuts the names that the caller chose", async () => {
  const service = await shared();
  const body = { ...MEMORY, ["n".repeat(10_000)]: 1, ["o".repeat(10_000)]: 2 };
  const response = await service.request("PUT", MEMORY_URL, { body });
  expect(response.statusCode).toBe(422);
  expect(response.body.length).toBeLessThan(4_000);
});

test("a memory and a search at the limits go through", async () => {
  const service = await shared();
  const metadata = fields(20_000, 1);
  const put = await service.request("PUT", MEMORY_URL, {
    body: { ...MEMORY, metadata, content: "\n".repeat(500_000) },
  });
  expect(put.statusCode).toBe(201);
  const vector = new Array(8).fill(0.5);
  const search = await service.request("POST", SEARCH_URL, { body: { vector, filter: { metadata: fields(100, 1) } } });
  expect(search.statusCode).toBe(200);
});

test("NUL in a query parameter is the caller's fault, not a store's", async () => {
  const service = await shared();
  for (const url of [
    "/v1/namespaces/default/export?afterMemoryId=%00&afterVersion=1",
    "/v1/conflicts?memoryId=a%00b",
    "/v1/conflicts?namespace=%00",
    "/v1/namespaces/default/memories/a%00b",
    "/v1/namespaces/default/memories/a%00b/history",
  ]) {
    const response = await service.request("GET", url);
    expect([url, response.statusCode, response.json().code]).toEqual([url, 400, "MALFORMED_REQUEST"]);
  }
  const repair = await service.request("POST", "/v1/repairs", { body: { strategy: "a\u0000" } });
  expect([repair.statusCode, repair.json().path]).toEqual([422, "strategy"]);
});

test("an export that would begin anew because half of its place is missing is refused", async () => {
  const service = await shared();
  for (const query of ["afterMemoryId=m1", "afterVersion=1", "afterMemoryId=m1&afterVersion=281474976710657"]) {
    const response = await service.request("GET", `/v1/namespaces/default/export?${query}`);
    expect([query, response.statusCode]).toEqual([query, 400]);
  }
});

test("an export with PostgreSQL away is an error with a status", async (t) => {
  const service = await openService(t, { world: { faiss: false, settings: { retriesMax: 0, retryDelayMs: 1 } } });
  await service.request("PUT", MEMORY_URL, { body: MEMORY });
  const name = new URL(service.world.databaseUrl).pathname.slice(1);
  const admin = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  t.onTestFinished(() => admin.end({ timeout: 1 }));
  await admin.unsafe(`alter database ${name} allow_connections false`);
  t.onTestFinished(async () => void (await admin.unsafe(`alter database ${name} allow_connections true`)));
  await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
  const response = await service.request("GET", "/v1/namespaces/default/export");
  expect([response.statusCode, response.json().code]).toEqual([503, expect.stringMatching(/^STORE_/)]);
});

/** The answer to raw bytes on a connection of its own. */
async function say(port: number, text: string): Promise<{ status: number; type: string | undefined; body: string }> {
  const socket = connect(port, "127.0.0.1");
  const answer: Buffer[] = [];
  socket.on("data", (chunk) => answer.push(chunk));
  socket.on("error", () => undefined);
  socket.write(text);
  await once(socket, "close");
  const [head = "", body = ""] = Buffer.concat(answer).toString().split("\r\n\r\n");
  return {
    status: Number(head.split(" ")[1]),
    type: /^content-type: ([^;\r]*)/im.exec(head)?.[1],
    body,
  };
}

test.each([
  ["bytes that are no HTTP", "\u0016\u0003\u0001 no HTTP\r\n\r\n", 400],
  ["an unknown method", "BREW /healthz HTTP/1.1\r\nhost: a\r\n\r\n", 400],
  ["two lengths", "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400],
  ["headers of 100 KB", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}\r\n\r\n`, 431],
  ["no host", "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400],
  ["another expectation", "GET /healthz HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\n\r\n", 417],
])("%s: a problem document with status %3$d", async (_, text, status) => {
  const service = await shared();
  const answer = await say(await listening(service), text);
  expect([answer.status, answer.type]).toEqual([status, "application/problem+json"]);
  expect(JSON.parse(answer.body)).toMatchObject({ status, code: "MALFORMED_REQUEST", instance: expect.any(String) });
});

test("headers that do not end in time are answered with 408 and cost their connection, and others are served", async (t) => {
  const http = { port: 0 };
  const service = await openService(t, { world: { faiss: false }, http, headersTimeoutMs: 2_000 });
  const { port } = await service.service.listen();
  // A slow caller: the headers of this request never end.
  const slow = say(port, "GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: ");
  const prompt = await say(port, "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect(prompt.status).toBe(200);
  const answer = await slow;
  expect([answer.status, answer.type]).toEqual([408, "application/problem+json"]);
  expect(JSON.parse(answer.body)).toMatchObject({ code: "REQUEST_TIMEOUT", retryable: true });
});

test("the service waits 10 s for headers unless it is told otherwise", async () => {
  expect((await shared()).app.server.headersTimeout).toBe(10_000);
});

test("beyond http.connectionsMax a connection is closed at once, and the others are served", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { connectionsMax: 2, port: 0 } });
  const { port } = await service.service.listen();
  const held = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  t.onTestFinished(() => {
    for (const socket of held) socket.destroy();
  });
  await Promise.all(held.map((socket) => once(socket, "connect")));
  const answered = async (socket: (typeof held)[0]) => {
    socket.write("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    const [chunk] = await once(socket, "data");
    return String(chunk).split("\r\n")[0];
  };
  expect(await answered(held[0]!)).toBe("HTTP/1.1 200 OK");
  expect(await answered(held[1]!)).toBe("HTTP/1.1 200 OK");
  const third = connect(port, "127.0.0.1");
  third.on("error", () => undefined);
  await once(third, "close");
  expect(await answered(held[0]!)).toBe("HTTP/1.1 200 OK");
});

let service: Promise<TestService> | undefined;
const finishers: (() => Promise<void>)[] = [];

/** One service for the tests that leave it as it is. */
function shared(): Promise<TestService> {
  service ??= openService({ onTestFinished: (finish) => void finishers.unshift(finish) }, { http: { port: 0 } });
  return service;
}

let port: Promise<number> | undefined;

function listening(shared: TestService): Promise<number> {
  port ??= shared.service.listen().then((address) => address.port);
  return port;
}

afterAll(async () => {
  for (const finish of finishers) await finish();
});
