import type { Random } from "../support/random.ts";
import type { FuzzRequest } from "./generate.ts";

/** Values that stand where something else is expected. */
const ODD: readonly unknown[] = [
  ...[null, true, -1, 0, 1.5, 1e308, -0, 2 ** 48, 2 ** 48 + 1, Number.MAX_SAFE_INTEGER, 1e39],
  ...[
    "",
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\u202e",
    "x".repeat(600),
    "x".repeat(20_000),
    "2024-13-45",
    "NaN",
    "__proto__",
  ],
  ...[[], {}, [[]], [null], { __proto__: 1 }, { constructor: { prototype: {} } }, { $ref: "#" }, { toString: 1 }],
  ...["' or 1=1 --", "$(reboot)", "{{7*7}}", "../../etc/passwd", "%00", "\r\nset-cookie: x=1", "*"],
];

const ODD_PATHS = [
  "..",
  ".",
  "%00",
  "%",
  "%zz",
  "%ff%fe",
  "%ed%a0%80",
  "a%2f..%2fb",
  "%0d%0a",
  "",
  "%C0%AF",
  "x".repeat(2_000),
];

const ODD_HEADERS: readonly [string, string][] = [
  ["if-match", '"99999999999999999999"'],
  ["if-match", '"1", "2"'],
  ["if-none-match", "W/1"],
  ["idempotency-key", "x".repeat(129)],
  ["idempotency-key", "'; drop table mnemosync.memories; --"],
  ["x-request-id", "a b<script>"],
  ["x-http-method-override", "DELETE"],
  ["origin", "https://evil.example"],
  ["content-encoding", "gzip"],
  ["content-type", "text/plain"],
  ["content-type", "application/json; charset=utf-16"],
  ["content-type", "application/x-ndjson"],
  ["content-type", ";"],
  ["expect", "200-ok"],
  ["accept", 'text/html;q="'],
  ["range", "bytes=0-1"],
  ["x-long", "y".repeat(20_000)],
];

type Mutation = (request: FuzzRequest, random: Random) => void;

/** One to three mutations. A mutated method makes the request one of no operation. */
export function mutate(request: FuzzRequest, random: Random): void {
  const count = 1 + random.below(3);
  for (let number = 0; number < count; number++)
    random.pick(request.body === null ? WITHOUT_BODY : ALL)(request, random);
}

const changePath: Mutation = (request, random) => {
  const parts = request.path.split("/");
  parts[1 + random.below(parts.length - 1)] = random.pick(ODD_PATHS);
  request.path = parts.join("/");
  // It may be the path of another operation now.
  request.operation = null;
};

const changeParameter: Mutation = (request, random) => {
  const names = request.operation?.parameters?.filter((parameter) => parameter.in === "query") ?? [];
  const name =
    names.length > 0 && random.next() < 0.8 ? random.pick(names).name : random.pick(["__proto__", "limit[]", ""]);
  request.query.push([name, JSON.stringify(random.pick(ODD)).replaceAll('"', "").slice(0, 3_000)]);
};

const changeHeader: Mutation = (request, random) => {
  const [name, value] = random.pick(ODD_HEADERS);
  request.headers[name] = value;
};

const changeMethod: Mutation = (request, random) => {
  if (random.next() < 0.8) return;
  request.method = random.pick(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]);
  request.operation = null;
};

/** Puts an odd value in place of some part of the document, leaves it out, or adds a field. */
const changeValue: Mutation = (request, random) => {
  const document = parsed(request.body);
  if (document === undefined) return;
  const places: [Record<string, unknown>, string][] = [];
  collect(document, places);
  if (places.length === 0) {
    request.body = JSON.stringify(random.pick(ODD));
    return;
  }
  const [holder, name] = random.pick(places);
  const choice = random.next();
  if (choice < 0.6) holder[name] = random.pick(ODD);
  else if (choice < 0.8) delete holder[name];
  else if (!Array.isArray(holder))
    holder[random.pick(["unknown", "namespace", "constructor", "n".repeat(300)])] = random.pick(ODD);
  request.body = JSON.stringify(document);
};

const changeText: Mutation = (request, random) => {
  const body = request.body ?? "";
  const place = random.below(body.length + 1);
  const choice = random.next();
  if (choice < 0.3) request.body = body.slice(0, place);
  else if (choice < 0.6)
    request.body = body.slice(0, place) + random.pick(['"', "{", "]", ",", "\u0000", "\\", "\n"]) + body.slice(place);
  else if (choice < 0.8) request.body = body + body;
  else request.body = random.pick(["", "null", "[]", "nul", "\ufeff{}", "{}{}", "[".repeat(500), '{"a":'.repeat(130)]);
};

/** Bodies that were, or would be, costly: rare, since each takes as long as thousands of others. */
const enlarge: Mutation = (request, random) => {
  if (random.next() < 0.99) return;
  const bytes = random.pick([100_000, 1_000_000, 6_000_000, 17_000_000]);
  const part = random.pick(['"k%":1', '"k%":[]', '"k%":{"a":[[]]}']);
  const fields: string[] = [];
  for (let length = 0, number = 0; length < bytes; number++) {
    const field = part.replace("%", String(number));
    fields.push(field);
    length += field.length + 1;
  }
  const wrapper = random.pick(['{"metadata":{', '{"filter":{"metadata":{', '{"memories":[{', '{"embedding":[{', "{"]);
  const closers = [...wrapper].reverse().flatMap((opener) => (opener === "{" ? "}" : opener === "[" ? "]" : []));
  request.body = wrapper + fields.join(",") + closers.join("");
};

const WITHOUT_BODY = [changePath, changeParameter, changeParameter, changeHeader, changeMethod];
const ALL = [
  changePath,
  changeParameter,
  changeHeader,
  changeMethod,
  changeValue,
  changeValue,
  changeValue,
  changeText,
  enlarge,
];

function parsed(body: string | null): unknown {
  try {
    return body === null ? undefined : JSON.parse(body);
  } catch {
    return undefined; // Lines, or a text that was mutated before.
  }
}

function collect(value: unknown, places: [Record<string, unknown>, string][]): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    places.push([value as Record<string, unknown>, name]);
    if (places.length < 200) collect(inner, places);
  }
}
