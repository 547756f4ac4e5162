import { afterEach, describe, expect, test, vi } from "vitest";
import { decide } from "../../../src/conflict/decide.ts";
import { NOTE_CHARACTERS_MAX } from "../../../src/conflict/resolution.ts";
import type { Conflict, ConflictStrategy } from "../../../src/conflict/strategy.ts";
import { MemoryValidator } from "../../../src/domain/schema.ts";
import { candidate, conflict, document, floats } from "./conflicts.ts";

const GIVEN = conflict([
  candidate("postgres", {
    document: document({ metadata: { tags: ["a"] } }),
    embedding: floats(1, 2),
    versionVector: { a: 1 },
  }),
  candidate("redis", { document: document({ content: "redis" }) }),
]);

const strategy = (resolve: (given: Conflict, signal: AbortSignal) => unknown): ConflictStrategy =>
  ({ name: "custom", resolve }) as ConflictStrategy;

const answering = (answer: unknown): ConflictStrategy => strategy(() => answer);

afterEach(() => {
  vi.useRealTimers();
});

describe("a strategy that does not keep its word leaves the conflict pending", () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("no idea");
      },
      /^strategy custom failed: no idea$/,
    ],
    ["rejects", () => Promise.reject(new Error("no idea")), /^strategy custom failed: no idea$/],
    [
      "throws a text",
      () => {
        throw "oops";
      },
      /^strategy custom failed: oops$/,
    ],
    [
      "throws what has no text",
      () => {
        throw Object.create(null);
      },
      /something that has no text/,
    ],
    [
      "answers with a hostile getter",
      () => ({
        get action() {
          throw new Error("trap");
        },
      }),
      /failed: trap/,
    ],
    ["answers nothing", () => undefined, /answered nothing; expected a resolution/],
    ["answers a text", () => "choose", /answered "choose"; expected a resolution/],
    ["answers null", () => Promise.resolve(null), /answered null/],
    [
      "answers an unknown action",
      () => ({ action: "delete" }),
      /action: is "delete"; expected one of choose, write, remove, pending/,
    ],
    ["chooses no store", () => ({ action: "choose" }), /store: is nothing, and the candidates are of postgres, redis/],
    [
      "chooses a store that is no candidate",
      () => ({ action: "choose", store: "faiss" }),
      /store: is "faiss", and the candidates are of postgres, redis/,
    ],
    ["removes what the ledger knows", () => ({ action: "remove" }), /this one is diverged/],
    ["notes what is no text", () => ({ action: "pending", note: 7 }), /note: is 7/],
    ["writes no document", () => ({ action: "write", embedding: null }), /document: is nothing, and must be an object/],
    ["writes an array", () => ({ action: "write", document: [], embedding: null }), /document: is an array/],
    [
      "forgets a field",
      () => ({ action: "write", document: { ...document(), importance: undefined }, embedding: null }),
      /document.importance: is missing/,
    ],
    ["forgets the embedding", () => ({ action: "write", document: document() }), /embedding: is missing/],
    [
      "adds a field",
      () => ({ action: "write", document: { ...document(), tags: [] }, embedding: null }),
      /unknown field "tags"/,
    ],
    [
      "writes what cannot be stored",
      () => ({ action: "write", document: document({ content: "a\u0000b" }), embedding: null }),
      /content: contains a NUL/,
    ],
    [
      "writes numbers that are none",
      () => ({ action: "write", document: document(), embedding: floats(Number.NaN) }),
      /embedding\[0\]/,
    ],
    [
      "changes a document",
      (given = GIVEN) => {
        (given as Conflict).candidates[0]!.document!.content = "mine";
      },
      /read only property 'content'/,
    ],
    [
      "changes metadata deep down",
      (given = GIVEN) => {
        ((given as Conflict).candidates[0]!.document!.metadata.tags as string[]).push("b");
      },
      /not extensible/,
    ],
    [
      "drops a candidate",
      (given = GIVEN) => {
        ((given as Conflict).candidates as unknown[]).pop();
      },
      /Cannot delete property|read only/,
    ],
    [
      "changes a version vector",
      (given = GIVEN) => {
        ((given as Conflict).candidates[0]!.versionVector as Record<string, number>).a = 9;
      },
      /read only property 'a'/,
    ],
  ])("%s", async (_, resolve, note) => {
    const before = structuredClone(GIVEN);
    const resolution = await decide(strategy(resolve as (given: Conflict) => unknown), GIVEN);
    expect(resolution).toStrictEqual({ action: "pending", note: expect.stringMatching(note) });
    expect(GIVEN).toStrictEqual(before);
  });

  test("never answers: the time limit fires its signal, and what it says afterwards is ignored", async () => {
    vi.useFakeTimers();
    let told: AbortSignal | undefined;
    let answerLate: (error: Error) => void = () => {};
    const silent = strategy((_, signal) => {
      told = signal;
      return new Promise((_resolve, reject) => {
        answerLate = reject;
      });
    });
    const deciding = decide(silent, GIVEN, { timeoutMs: 2_000 });
    await vi.advanceTimersByTimeAsync(1_999);
    expect(told?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await deciding).toStrictEqual({
      action: "pending",
      note: "strategy custom did not answer within 2000 ms",
    });
    expect(told?.aborted).toBe(true);
    answerLate(new Error("too late, and nobody's unhandled rejection"));
    expect(vi.getTimerCount()).toBe(0);
  });

  test("an embedding that it scribbles on is a copy", async () => {
    const resolution = await decide(
      strategy((given) => {
        given.candidates[0]?.embedding?.fill(9);
        return { action: "choose", store: "postgres" };
      }),
      GIVEN,
    );
    expect(resolution).toStrictEqual({ action: "choose", store: "postgres" });
    expect(GIVEN.candidates[0]?.embedding).toStrictEqual(floats(1, 2));
  });

  test("what it wrote is a copy: changes after the answer reach nobody", async () => {
    const written = document({ metadata: { tags: ["merged"] } });
    const embedding = floats(1, 2);
    const resolution = await decide(answering({ action: "write", document: written, embedding, extra: 1 }), GIVEN);
    (written.metadata.tags as string[]).push("later");
    embedding.fill(0);
    expect(resolution).toStrictEqual({
      action: "write",
      document: document({ metadata: { tags: ["merged"] } }),
      embedding: floats(1, 2),
    });
  });
});

describe("a strategy's answer", () => {
  test("may write what a frozen candidate's document was spread into", async () => {
    const resolution = await decide(
      strategy(({ candidates: [ledger] }) => ({
        action: "write",
        document: { ...ledger?.document, content: "of both" },
        embedding: ledger?.embedding,
        note: "by hand",
      })),
      GIVEN,
    );
    expect(resolution).toStrictEqual({
      action: "write",
      document: document({ content: "of both", metadata: { tags: ["a"] } }),
      embedding: floats(1, 2),
      note: "by hand",
    });
  });

  test("may remove an orphan", async () => {
    const orphan = conflict([candidate("redis")], { kind: "orphan" });
    expect(await decide(answering({ action: "remove" }), orphan)).toStrictEqual({ action: "remove" });
  });

  test("is held against the index that it is written for", async () => {
    const validator = new MemoryValidator({ dimension: 3 });
    const answer = answering({ action: "write", document: document(), embedding: floats(1, 2) });
    expect(await decide(answer, GIVEN, { validator })).toStrictEqual({
      action: "pending",
      note: "strategy custom failed: embedding: has 2 numbers, and the index holds vectors of 3",
    });
  });

  test("has its note made storable, and cut", async () => {
    const { note = "" } = await decide(
      answering({ action: "pending", note: `\u0000\ud800${"x".repeat(5_000)}` }),
      GIVEN,
    );
    expect(note.slice(0, 3)).toBe("\ufffd\ufffdx");
    expect(note).toHaveLength(NOTE_CHARACTERS_MAX + 1);
    expect(note.isWellFormed()).toBe(true);
  });

  test("keeps `this`: a strategy may be an object of a class", async () => {
    class Counting implements ConflictStrategy {
      readonly name = "counting";
      #asked = 0;
      resolve() {
        this.#asked++;
        return { action: "pending", note: `asked ${this.#asked}` } as const;
      }
    }
    expect(await decide(new Counting(), GIVEN)).toStrictEqual({ action: "pending", note: "asked 1" });
  });
});

describe("the caller's signal", () => {
  test("that fired already keeps the strategy from being asked", async () => {
    const resolve = vi.fn();
    await expect(decide(strategy(resolve), GIVEN, { signal: AbortSignal.abort(new Error("closing")) })).rejects.toThrow(
      "closing",
    );
    expect(resolve).not.toHaveBeenCalled();
  });

  test("rejects with its reason, whatever the strategy does about it", async () => {
    const caller = new AbortController();
    const stubborn = strategy((_, signal) => {
      queueMicrotask(() => caller.abort(new Error("closing")));
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("of its own")));
      });
    });
    await expect(decide(stubborn, GIVEN, { signal: caller.signal })).rejects.toThrow("closing");
  });
});

test.each<[string, Conflict, RegExp]>([
  ["without candidates", conflict([]), /there is no candidate/],
  [
    "with two candidates of one store",
    conflict([candidate("redis"), candidate("redis")]),
    /two candidates are of redis/,
  ],
])("a conflict %s is pending without asking", async (_, given, note) => {
  const resolve = vi.fn();
  expect(await decide(strategy(resolve), given)).toStrictEqual({
    action: "pending",
    note: expect.stringMatching(note),
  });
  expect(resolve).not.toHaveBeenCalled();
});

test("a document that is nested too deep to copy is pending", async () => {
  let nested: unknown = 1;
  for (let depth = 0; depth < 50_000; depth++) nested = [nested];
  const given = conflict([candidate("redis", { document: document({ metadata: { nested } as never }) })]);
  expect(await decide(answering({ action: "choose", store: "redis" }), given)).toStrictEqual({
    action: "pending",
    note: expect.stringMatching(/^strategy custom failed: .*stack/),
  });
});
