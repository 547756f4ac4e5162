import { gunzipSync } from "node:zlib";

/** One call over HTTP as an edge made it, and the answer that it got. */
export interface RecordedCall {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** As JSON; null: none. */
  readonly body: unknown;
  readonly status: number;
  readonly answer: unknown;
}

/** A fetch that keeps each call and its answer. */
export function recordingFetch(calls: RecordedCall[]): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const url = new URL(String(input));
    const sent = init.body == null ? null : Buffer.from(init.body as Uint8Array);
    const isZipped = new Headers(init.headers).get("content-encoding") === "gzip";
    const response = await globalThis.fetch(input, init);
    const text = await response.text();
    calls.push({
      method: init.method ?? "GET",
      path: `${url.pathname}${url.search}`,
      body: sent === null ? null : JSON.parse((isZipped ? gunzipSync(sent) : sent).toString("utf8")),
      status: response.status,
      answer: JSON.parse(text),
    });
    return new Response(text, { status: response.status, headers: { "content-type": "application/json" } });
  };
}

/** A fetch that gives recorded answers in their order, and keeps what was asked. */
export function replayingFetch(recorded: readonly RecordedCall[], asked: RecordedCall[]): typeof globalThis.fetch {
  const left = [...recorded];
  return async (input, init = {}) => {
    const url = new URL(String(input));
    const next = left.shift();
    if (next === undefined) throw new Error(`no answer is recorded for ${url.pathname}`);
    const sent = init.body == null ? null : Buffer.from(init.body as Uint8Array);
    const isZipped = new Headers(init.headers).get("content-encoding") === "gzip";
    const body = sent === null ? null : JSON.parse((isZipped ? gunzipSync(sent) : sent).toString("utf8"));
    asked.push({ ...next, method: init.method ?? "GET", path: `${url.pathname}${url.search}`, body });
    const headers = { "content-type": "application/json" };
    return new Response(JSON.stringify(next.answer), { status: next.status, headers });
  };
}

/**
 * Names and kinds of all that a document holds, without its values. Lists are told by their elements' shapes, in order. A reader of
 * the version before refuses a document with a member more, and misses one that is gone.
 */
export function shapeOf(value: unknown): unknown {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object") return typeof value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, OPEN_MEMBERS.has(name) ? "open" : shapeOf(member)]));
}

/** Members whose own members are data: names of nodes, metadata. */
const OPEN_MEMBERS: ReadonlySet<string> = new Set(["versionVector", "metadata"]);
