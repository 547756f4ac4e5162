import { setTimeout as pause } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { Route } from "../../src/http/route.ts";
import { ROUTE_GROUPS } from "../../src/http/routes.ts";
import { MEMORY, openService, type TestService } from "../support/http-service.ts";
import { Random } from "../support/random.ts";

/**
 * Goal: no request, however malformed or hostile, makes the service answer 500, crash, or write. Method: seeded requests
 * over every route; those with a key that could write carry bodies that no memory can be made of.
 */

const SEED = 20_240_717;
const REQUESTS = 10_000;
vi.setConfig({ testTimeout: 300_000 });

const IDS = [
  ...[
    "..",
    ".",
    "%00",
    "%",
    "%zz",
    "%ff%fe",
    "%ed%a0%80",
    "a%2f..%2f..%2fetc%2fpasswd",
    "%0d%0aset-cookie:x=1",
    "__proto__",
  ],
  ...[
    "constructor",
    "' or 1=1 --",
    "$(reboot)",
    "{{7*7}}",
    "<script>",
    "🧠",
    "x".repeat(513),
    "x".repeat(5_000),
    "*",
    "-1",
  ],
  ...[
    "1e309",
    "null",
    "undefined",
    "%C0%AF",
    "%u0041",
    "a:b",
    "@",
    ";",
    "?",
    "#",
    "\\",
    "%5c",
    "%20",
    "1.5",
    "0",
    "NaN",
  ],
].map((text) => (text.includes("%") ? text : encodeURIComponent(text)));

const HEADERS: Record<string, string>[] = [
  { "if-match": "*" },
  { "if-match": '"99999999999999999999"' },
  { "if-match": '"1", "2"' },
  { "if-none-match": "W/1" },
  { "idempotency-key": "'; drop table mnemosync.memories; --" },
  { "x-request-id": "a\u00e9b" },
  { "x-http-method-override": "DELETE" },
  { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
  { "content-encoding": "gzip" },
  { "transfer-encoding": "chunked" },
  { authorization: "Basic YWRtaW46YWRtaW4=" },
  { authorization: `Bearer mns_admin_${"A".repeat(43)}` },
  { authorization: "Bearer " },
  { accept: 'text/html;q="' },
];

const CONTENT_TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "application/x-ndjson",
  "text/plain",
  "multipart/form-data",
  "application/xml",
  "*/*",
  ";",
  "",
];

/** Values that stand where something else is expected. */
const VALUES: readonly unknown[] = [
  ...[null, true, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, "", "\u0000", "\ud800", "x".repeat(200_000)],
  ...[
    [],
    {},
    [[]],
    { a: { b: {} } },
    ["a"],
    [null],
    { __proto__: 1 },
    { constructor: { prototype: {} } },
    { length: 1e9 },
  ],
  ...[
    { $ref: "#" },
    { toString: "x" },
    { hasOwnProperty: 1 },
    "2024-13-45",
    "9999-99-99T99:99:99Z",
    [1e39, Number.NaN],
    "-0",
  ],
];

const ROUTES = ROUTE_GROUPS.flatMap(({ routes }) => routes);
/** Streams whose answer has no end: those that name no job and no run, and need no session. `npm run fuzz` asks for them. */
const ENDLESS = new Set(
  ROUTES.filter(
    ({ path, responses }) =>
      responses[200]?.mediaType === "text/event-stream" && !path.includes("{") && path !== "/mcp",
  ).map(({ path }) => path),
);
/** Milliseconds within which any other request is answered: only so does a failure name the one that was not. */
const ANSWER_MS = 60_000;

const RAW = [
  ...["", "{", "[", "nul", '"', "{]", "\ufeff{}", '{"a":1,}', "{'a':1}", "1e99999", "\u0000", "\n\n\n", "{}{}"],
  ...[
    "[".repeat(100_000),
    `{"content":${"[".repeat(150)}${"]".repeat(150)}}`,
    '{"__proto__":{"x":1}}',
    `"${"\\u0000".repeat(10)}"`,
  ],
  ...['{"memoryId":1}\n{"memoryId":null}\n[]', '{"memories":', `{"memories":[${"{},".repeat(2_000)}{}]}`],
];

const FIELDS = [
  "content",
  "memoryType",
  "importance",
  "metadata",
  "embedding",
  "embeddingModel",
  "privacy",
  "expiresAt",
];
const OTHER_FIELDS = [
  "memories",
  "vector",
  "text",
  "k",
  "scoreMin",
  "filter",
  "toVersion",
  "scope",
  "checkJobId",
  "atomic",
];

test(`${REQUESTS} malformed and hostile requests: no 500, no crash, nothing written`, async (t) => {
  const service = await openService(t);
  await service.world.fill(5);
  const before = await service.world.footprint();
  const random = new Random(SEED);
  const statuses: Record<number, number> = {};
  let request = 0;
  const one = async (): Promise<void> => {
    const number = request++;
    const route = random.pick(ROUTES);
    const call = hostile(route, service, random);
    // A client resolves `..` before it sends: /v1/jobs/../events is the stream as well.
    if (ENDLESS.has(new URL(call.url, "http://service").pathname)) return;
    const response = await Promise.race([
      service.request(call.method, call.url, call.request),
      pause(ANSWER_MS, null, { ref: false }),
    ]);
    if (response === null) throw new Error(`seed ${SEED}, request ${number}: ${call.method} ${call.url}: no answer`);
    const { statusCode } = response;
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
    const told = `seed ${SEED}, request ${number}: ${call.method} ${call.url.slice(0, 200)}: ${statusCode} ${response.body.slice(0, 300)}`;
    if (statusCode >= 500) throw new Error(told);
    if (statusCode >= 400 && call.method !== "HEAD") {
      if (!String(response.headers["content-type"]).startsWith("application/problem+json")) throw new Error(told);
      const { code, status } = response.json();
      if (typeof code !== "string" || status !== statusCode) throw new Error(told);
    }
  };
  // Side by side, as they come in life.
  const workers = Array.from({ length: 16 }, async () => {
    while (request < REQUESTS) await one();
  });
  await Promise.all(workers);
  for (const job of await service.world.sync.jobs.list()) await service.world.sync.jobs.cancel(job.id);
  await service.world.sync.backlog.resume();
  expect(Object.keys(statuses)).toEqual(
    expect.arrayContaining(["400", "401", "403", "404", "413", "415", "422"].filter((code) => code !== "413")),
  );
  expect(statuses[503] ?? 0).toBe(0);
  expect(await service.world.footprint()).toEqual(before);
  expect((await service.request("GET", "/healthz")).statusCode).toBe(200);
  expect((await service.request("PUT", "/v1/namespaces/default/memories/after", { body: MEMORY })).statusCode).toBe(
    201,
  );
});

function hostile(route: Route, service: TestService, random: Random) {
  const { keys } = service;
  const url = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === "namespace" && random.next() < 0.5 ? "default" : random.pick(IDS),
  );
  const query =
    random.next() < 0.3
      ? `?${random.pick(["limit", "embedding", "from", "to", "__proto__", "limit[]"])}=${random.pick(IDS)}`
      : "";
  const body = (): unknown => {
    if (random.next() < 0.3) return random.pick(RAW);
    const own: Record<string, unknown> = {};
    for (const field of [...FIELDS, ...OTHER_FIELDS]) if (random.next() < 0.25) own[field] = random.pick(VALUES);
    // So that it can never be taken for a memory, a batch, or a search by one that may write.
    own[random.pick(["☠", "id", "memoryID", "constructor", "toString"])] = random.pick(VALUES);
    return JSON.stringify(own);
  };
  const withBody = route.method !== "GET" ? random.next() < 0.9 : random.next() < 0.05;
  const type =
    random.next() < 0.7
      ? route.bodyIsLines
        ? "application/x-ndjson"
        : "application/json"
      : random.pick(CONTENT_TYPES);
  const method =
    random.next() < 0.05
      ? random.pick(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"] as const)
      : route.method;
  const payload = withBody ? body() : undefined;
  return {
    method,
    url: url + query,
    request: {
      key: random.pick([
        keys.admin,
        keys.admin,
        keys.writer,
        keys.reader,
        keys.tenant,
        keys.boundAdmin,
        keys.expired,
        null,
        "x",
      ]),
      ...(payload !== undefined && payload !== "" && { body: payload }),
      headers: { ...(withBody && { "content-type": type }), ...(random.next() < 0.3 ? random.pick(HEADERS) : {}) },
    },
  };
}
