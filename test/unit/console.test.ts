import { describe, expect, test, vi } from "vitest";
import { ApiError, nextStepOf, problemOf } from "../../src/console/api/api-error.ts";
import { Api } from "../../src/console/api/client.ts";
import type { Conflict, Sample } from "../../src/console/api/documents.ts";
import { readEvents, type StreamEvent } from "../../src/console/api/event-stream.ts";
import { type Decided, decideMany, isOpen } from "../../src/console/pages/conflicts/decisions.ts";
import { connectorTone } from "../../src/console/pages/connectors/connector-tone.ts";
import { countsText } from "../../src/console/pages/connectors/counts-text.ts";
import { criteriaOf, filterOf, flawOf, queryOf } from "../../src/console/pages/memories/criteria.ts";
import { readHistory, VERSIONS_FIRST, VERSIONS_MAX } from "../../src/console/pages/memories/history.ts";
import { mergePatch } from "../../src/console/pages/memories/merge-patch.ts";
import { largestLag, withSamples } from "../../src/console/pages/overview/figures.ts";
import { type Known, problemsOf } from "../../src/console/pages/overview/problems.ts";
import { replicaTone } from "../../src/console/pages/replica/replica-tone.ts";
import { withChoice } from "../../src/console/state/choice.ts";
import { linkTo, parsePlace } from "../../src/console/state/place.ts";
import { atLeast } from "../../src/console/text/numbers.ts";
import { took } from "../../src/console/text/time.ts";
import { wordDiff } from "../../src/console/text/word-diff.ts";
import fc from "../support/properties.ts";

/** Goal: what the console computes is right. Its pages are tested in a browser. */

describe("wordDiff", () => {
  const kept = (parts: ReturnType<typeof wordDiff>, without: "added" | "removed"): string =>
    parts.flatMap(({ kind, text }) => (kind === without ? [] : text)).join("");

  test("marks the words that went and came", () => {
    expect(wordDiff("the train leaves at nine", "the train leaves at noon")).toEqual([
      { kind: "same", text: "the train leaves at " },
      { kind: "removed", text: "nine" },
      { kind: "added", text: "noon" },
    ]);
    expect(wordDiff("", "new")).toEqual([{ kind: "added", text: "new" }]);
    expect(wordDiff("same", "same")).toEqual([{ kind: "same", text: "same" }]);
    expect(wordDiff("", "")).toEqual([]);
  });

  test("has both texts whole, whatever they are", () => {
    const text = fc.array(fc.constantFrom("a", "b", "ö", " ", "  ", ".", "\n", "\u{1f600}"), { maxLength: 40 });
    fc.assert(
      fc.property(text, text, (left, right) => {
        const parts = wordDiff(left.join(""), right.join(""));
        expect([kept(parts, "added"), kept(parts, "removed")]).toEqual([left.join(""), right.join("")]);
      }),
    );
  });

  test("is bounded: long texts without a word in common are told whole", () => {
    for (const times of [5_000, 30_000]) {
      const [left = "", right = ""] = ["a ", "b."].map((word) => word.repeat(times));
      expect(wordDiff(left, right).map(({ kind }) => kind)).toEqual(["removed", "added"]);
    }
  });
});

test("a merge patch makes what was edited of what was there", () => {
  const apply = (target: unknown, patch: unknown): unknown => {
    if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
    const result: Record<string, unknown> =
      typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
    for (const [name, value] of Object.entries(patch)) {
      if (value === null) delete result[name];
      else result[name] = apply(result[name], value);
    }
    return result;
  };
  const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.array(fc.integer(), { maxLength: 2 }));
  const names = fc.constantFrom("a", "b", "c");
  const object = fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf, { noNullPrototype: true })), {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(object, object, (before, after) => {
      expect(apply(before, mergePatch(before, after))).toEqual(after);
    }),
  );
  expect(() => mergePatch({ a: { b: 1 } }, { a: { b: null } })).toThrow("a.b cannot be set to null");
});

test("criteria become a filter of the service, and an address that is short", () => {
  const criteria = criteriaOf(new URLSearchParams("type=episodic&importanceMin=0.5&order=nonsense"));
  expect(filterOf(criteria)).toEqual({ memoryType: { eq: "episodic" }, importance: { gte: 0.5 } });
  expect(queryOf(criteria)).toEqual({ type: "episodic", importanceMin: "0.5" });
  expect(filterOf(criteriaOf(new URLSearchParams()))).toBeUndefined();
  expect(filterOf(criteriaOf(new URLSearchParams("id=user-")))).toEqual({ memoryId: { prefix: "user-" } });
  const own = { "metadata.user": { eq: "Ada" } };
  expect(filterOf({ ...criteria, importanceMin: "", where: JSON.stringify(own) })).toEqual({
    and: [{ memoryType: { eq: "episodic" } }, own],
  });
  expect([flawOf({ ...criteria, where: "{" })?.field, flawOf({ ...criteria, where: "[]" })?.field]).toEqual([
    "where",
    "where",
  ]);
  expect(flawOf({ ...criteria, importanceMin: "2" })?.text).toContain("expected a number from 0 to 1");
  expect(flawOf(criteria)).toBeNull();
});

test("a link leads to its place, whatever is in it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { maxLength: 3 }),
      fc.string(),
      (path, value) => {
        const place = parsePlace(linkTo("memories", path, { value }));
        expect([place.page, place.path, place.query.get("value") ?? ""]).toEqual(["memories", path, value]);
      },
    ),
  );
  expect(parsePlace("").page).toBe("overview");
  expect(parsePlace("#/%zz").page).toBe("not-found");
});

test("how long something took is told once it has ended", () => {
  const startedAt = "2026-05-01T12:00:00.000Z";
  expect(took(startedAt, "2026-05-01T12:03:10.250Z")).toBe("3 min 10 s");
  expect([took(startedAt, null), took(null, null)]).toEqual(["", ""]);
});

test("a choice adds an id or takes it away, and leaves the set before it alone", () => {
  const chosen = new Set(["a"]);
  expect([...withChoice(chosen, "b", true)]).toEqual(["a", "b"]);
  expect([...withChoice(chosen, "a", false)]).toEqual([]);
  expect([...chosen]).toEqual(["a"]);
});

describe("readEvents", () => {
  const read = async (chunks: readonly string[]): Promise<StreamEvent[]> => {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
        controller.close();
      },
    });
    const events: StreamEvent[] = [];
    for await (const event of readEvents(body)) events.push(event);
    return events;
  };

  test("reads events wherever the network cuts them", async () => {
    const text = ': heartbeat\n\nid: 7\nevent: progress\ndata: {"checked":1}\n\nevent: end\ndata: {"ö":true}\n\n';
    const expected = [
      { event: "progress", id: "7", data: { checked: 1 } },
      { event: "end", id: null, data: { ö: true } },
    ];
    for (let at = 0; at <= text.length; at++) expect(await read([text.slice(0, at), text.slice(at)])).toEqual(expected);
  });

  test("refuses an event without an end", async () => {
    await expect(read(Array<string>(9).fill("x".repeat(1_048_576)))).rejects.toThrow("too long");
  });
});

test("a failure is told with its code and the next step", async () => {
  const problem = { code: "FORBIDDEN", detail: "the key lacks it", instance: "r1", retryable: false };
  const told = await problemOf(new Response(JSON.stringify(problem), { status: 403 }));
  expect([told.code, told.message, told.requestId, nextStepOf(told)]).toEqual([
    "FORBIDDEN",
    "the key lacks it",
    "r1",
    "Sign in with a key that has this right.",
  ]);
  const foreign = await problemOf(new Response("<html>", { status: 502 }));
  expect([foreign.code, foreign.retryable, nextStepOf(foreign)]).toEqual(["UNREADABLE", true, "Try again."]);
  expect(nextStepOf(new ApiError(422, "VALIDATION", "where: is no field"))).toBeNull();
});

test("an answer of an error that breaks off is a failure that the console can tell, and try again", async (t) => {
  const api = new Api({ key: null, onKeyLost: () => undefined, base: new URL("http://localhost/") });
  const fetched = vi.spyOn(globalThis, "fetch");
  t.onTestFinished(() => fetched.mockRestore());
  const breaksOff = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError("network error")) }), {
      status: 503,
    });
  fetched.mockImplementation(async () => breaksOff());
  await expect(api.get("v1/status")).rejects.toMatchObject({ status: 0, code: "UNREACHABLE", retryable: true });
  const signal = AbortSignal.abort(new Error("nobody waits"));
  await expect(api.get("v1/status", { signal })).rejects.toBe(signal.reason);
});

test("versions are listed as many as an answer can have: never fewer than before more were asked for", async () => {
  const asked = async (largest: number, limit: number): Promise<{ limits: number[]; read: number | string }> => {
    const limits: number[] = [];
    const get = async <T>(_: string, { query }: { query?: { limit?: number } } = {}): Promise<T> => {
      limits.push(query?.limit ?? 0);
      if ((query?.limit ?? 0) > largest) throw new ApiError(422, "ANSWER_TOO_LARGE", "too large");
      return { versions: [] } as T;
    };
    const key = { namespace: "default", memoryId: "m1" };
    const read = readHistory({ get }, key, limit, new AbortController().signal);
    return {
      limits,
      read: await read.then(
        (history) => history.limit,
        ({ code }: ApiError) => code,
      ),
    };
  };
  expect(await asked(500, VERSIONS_MAX)).toEqual({ limits: [1_000, 100], read: 100 });
  expect(await asked(50, VERSIONS_MAX)).toEqual({ limits: [1_000, 100, 10], read: 10 });
  expect(await asked(50, VERSIONS_FIRST)).toEqual({ limits: [100, 10], read: 10 });
  expect(await asked(5, VERSIONS_FIRST)).toEqual({ limits: [100, 10], read: "ANSWER_TOO_LARGE" });
});

describe("conflicts", () => {
  const conflict = (id: string, change: Partial<Conflict> = {}): Conflict => ({
    ...{ id, namespace: "default", memoryId: id, store: "redis", kind: "diverged", state: "pending" },
    ...{ strategy: "manual", pendingBecause: "by hand", ledgerVersion: 1, foundVersion: 1 },
    ...{ detectedAt: "2026-05-01T12:00:00Z", resolvedAt: null, resolution: null },
    ...change,
  });

  test("a person decides what the service lets decide: no repair that was cut short", () => {
    const open = [conflict("a"), conflict("b", { kind: "orphan" }), conflict("c", { store: "import" })];
    expect(open.map(isOpen)).toEqual([true, true, true]);
    const others = [
      conflict("d", { state: "resolved" }),
      conflict("e", { kind: "corrupt" }),
      conflict("f", { kind: "missing" }),
      conflict("g", { store: "postgres" }),
    ];
    expect(others.map(isOpen)).toEqual([false, false, false, false]);
  });

  test("decisions about many stop before the next one", async () => {
    const api = new Api({ key: null, onKeyLost: () => undefined, base: new URL("http://localhost/") });
    const post = vi.spyOn(api, "post").mockResolvedValue({ outcome: "repaired", note: "made equal" });
    const closing = new AbortController();
    const decided: Decided[] = [];
    const add = (one: Decided) => {
      decided.push(one);
      if (decided.length === 2) closing.abort();
    };
    await decideMany(
      api,
      ["a", "b", "c"].map((id) => conflict(id)),
      "ledger",
      add,
      closing.signal,
    );
    expect(decided.map(({ conflict: { id } }) => id)).toEqual(["a", "b"]);
    expect(post).toHaveBeenCalledTimes(2);
  });
});

test("a state has the same tone on every page", () => {
  const replica = { isUp: true, isPaused: false, reason: null, state: "following" } as const;
  const replicas = [
    replica,
    { ...replica, state: "filling" } as const,
    { ...replica, isPaused: true },
    { ...replica, reason: "many memories are refused" },
    { ...replica, state: "refused", reason: "of another database" } as const,
    { ...replica, isUp: false },
  ];
  expect(replicas.map(replicaTone)).toEqual(["good", "busy", "warning", "warning", "bad", "bad"]);
  const connector = { state: "idle", consecutiveFailures: 0, pausedBecause: null } as const;
  const connectors = [
    connector,
    { ...connector, state: "running" } as const,
    { ...connector, consecutiveFailures: 1 },
    { ...connector, state: "paused", pausedBecause: "operator" } as const,
    { ...connector, state: "paused", pausedBecause: "authentication" } as const,
    { ...connector, state: "invalid" } as const,
  ];
  expect(connectors.map(connectorTone)).toEqual(["good", "busy", "warning", "warning", "bad", "bad"]);
});

test("a count of a list that was cut is told as such", () => {
  expect([atLeast(1_200, false), atLeast(3, true)]).toEqual(["1,200", "3 or more"]);
});

describe("the overview", () => {
  const at = Date.parse("2026-05-01T12:00:00Z");
  const healthy: Known = {
    status: {
      stores: { postgres: { state: "healthy", memories: 3 }, redis: { state: "healthy", memories: 3 } },
      backlog: { pending: 0, failed: 0, dead: 0 },
      lastCleanCheckAt: "2026-05-01T11:00:00Z",
      consistency: { checks: [], findings: [] },
      services: {},
    },
    isQueuePaused: false,
    pendingConflicts: 0,
    connectors: [],
    replica: null,
    devices: [],
  };

  test("names nothing where nothing is wrong, and what a key may not see is no problem", () => {
    expect(problemsOf(healthy, at)).toEqual([]);
    const bound = { ...healthy, isQueuePaused: null, pendingConflicts: null, connectors: null, devices: null };
    expect(problemsOf({ ...bound, status: { ...healthy.status, consistency: null } }, at)).toEqual([]);
  });

  test("names what is wrong, the worst first, each with a next step", () => {
    const status: Known["status"] = {
      ...healthy.status,
      stores: { ...healthy.status.stores, redis: { state: "down", memories: null, reason: "connection refused" } },
      backlog: { pending: 9, failed: 2, dead: 1 },
      consistency: { checks: [], findings: [{ store: "redis", kind: "stale", count: 4 }] },
      services: { backlog: { state: "running", lastError: "redis is away" } },
    };
    const problems = problemsOf({ ...healthy, status, isQueuePaused: true, pendingConflicts: 2 }, at);
    expect(problems.map(({ severity, title }) => [severity, title])).toEqual([
      ["bad", "redis is down"],
      ["bad", "1 queued memory was given up"],
      ["bad", "Drift: 4 findings in redis"],
      ["warning", "The queue is paused"],
      ["warning", "2 queued memories failed and will be tried again"],
      ["warning", "2 conflicts await a decision"],
      ["warning", 'The background work "backlog" failed last'],
    ]);
    expect(problems.filter(({ next }) => next === null)).toEqual([]);
  });

  test("asks for a check where the last clean one was long ago", () => {
    const later = at + 3 * 86_400_000;
    expect(problemsOf(healthy, later).map(({ title }) => title)).toEqual(["The last clean check was long ago"]);
    const never = { ...healthy, status: { ...healthy.status, lastCleanCheckAt: null } };
    expect(problemsOf(never, at).map(({ next }) => next?.href)).toEqual(["#/drift"]);
  });

  test("keeps the samples of an hour, each once and in order", () => {
    const sample = (second: number): Sample => ({
      at: new Date(at + second * 1_000).toISOString(),
      ...{ writesPerSecond: second, searchesPerSecond: 0, pending: 0, dead: 0 },
      lagSeconds: { faiss: 0, redis: second },
    });
    const hour = Array.from({ length: 360 }, (_, index) => sample(index * 10));
    const known = withSamples(withSamples([], hour), [sample(3_600), sample(3_590)]);
    expect([known.length, known[0]?.writesPerSecond, known.at(-1)?.writesPerSecond]).toEqual([360, 10, 3_600]);
    expect(known.slice(-1).map(largestLag)).toEqual([3_600]);
    expect(largestLag({ ...sample(1), lagSeconds: {} })).toBeNull();
  });
});

test("what a run of a connector did is told with the files that it fetched, and without what is 0", () => {
  const nothing = {
    read: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    deleted: 0,
    erased: 0,
    failed: 0,
    media: 0,
    bytes: 0,
  };
  expect(countsText(nothing)).toBe("");
  expect(countsText({ ...nothing, read: 1_200, created: 3 })).toBe("1,200 read, 3 created");
  expect(countsText({ ...nothing, read: 1, media: 2, bytes: 20_480 })).toBe("1 read, 2 files fetched (20,480 bytes)");
});
