import { expect, test } from "vitest";
import { Model, now } from "./model.ts";

/** Goal: an oracle that notices. Each case is an answer that a broken merged read would give. */

const PUT = { content: "one", privacy: "full", expiresAt: null, isErasure: false } as const;
const END = { ...PUT, content: null };
const primary = (content: string) => ({ content, fromReplica: false });
const replica = (content: string) => ({ content, fromReplica: true });

function written(...entries: readonly Parameters<Model["begin"]>[1][]): {
  model: Model;
  span: { from: number; to: number };
} {
  const model = new Model();
  for (const entry of entries) model.end(model.begin("m", entry), "done");
  const moment = now();
  return { model, span: { from: moment, to: moment } };
}

test("a deleted memory that is shown is noticed, from either side", () => {
  const { model, span } = written(PUT, END);
  expect(model.judge("m", null, span, true)).toBeNull();
  expect(model.judge("m", primary("one"), span, false)).toMatch(/was deleted/);
  expect(model.judge("m", replica("one"), span, true)).toMatch(/shown from the replica, and it was deleted/);
});

test("a live memory that is missing, or outdated, is noticed", () => {
  const { model, span } = written(PUT, { ...PUT, content: "two" });
  expect(model.judge("m", primary("two"), span, false)).toBeNull();
  expect(model.judge("m", null, span, false)).toMatch(/is missing/);
  expect(model.judge("m", primary("one"), span, false)).toMatch(/was replaced/);
  expect(model.judge("m", replica("two"), span, false)).toMatch(/the primary decides/);
});

test("an expired memory is the archive's alone", () => {
  const { model, span } = written({ ...PUT, expiresAt: now() - 1_000 });
  expect(model.judge("m", null, span, false)).toBeNull();
  expect(model.judge("m", primary("one"), span, false)).toMatch(/has expired/);
  expect(model.judge("m", replica("one"), span, true)).toBeNull();
  expect(model.judge("m", replica("one"), span, false)).toMatch(/the primary decides/);
});

test("a write that is under way, or whose answer was lost, may hold or not", () => {
  const { model } = written(PUT);
  const open = model.begin("m", END);
  const moment = now();
  const span = { from: moment, to: moment };
  for (const outcome of ["under way", "unknown"] as const) {
    open.outcome = outcome;
    expect(model.judge("m", null, span, false)).toBeNull();
    expect(model.judge("m", primary("one"), span, false)).toBeNull();
  }
  model.end(open, "failed");
  expect(model.judge("m", null, span, false)).toMatch(/is missing/);
});

test("a primary that lost an answered write is noticed", () => {
  const { model } = written(PUT, { ...PUT, content: "two" });
  const state = { memoryId: "m", privacy: "full", expiresAt: null, isErased: false, isBeingErased: false } as const;
  expect(model.judgeState({ ...state, content: "two" })).toBeNull();
  expect(model.judgeState({ ...state, content: "one" })).toMatch(/not the last one/);
  expect(model.judgeState({ ...state, content: null })).toMatch(/has ended/);
});

test("a history that shows what was refused, was lost, or was never written is noticed", () => {
  const { model } = written(PUT, { ...PUT, content: "two" });
  const copiedAt = now();
  model.end(model.begin("m", { ...PUT, content: "unclear" }), "unknown");
  model.end(model.begin("m", { ...PUT, content: "refused" }), "failed");
  model.end(model.begin("m", { ...PUT, content: "lost" }), "done");
  expect(["one", "two", "unclear", "lost"].map((content) => model.judgeContent("m", content))).toEqual([
    ...[null, null, null, null],
  ]);
  expect(model.judgeContent("m", "refused")).toMatch(/refused/);
  const state = {
    memoryId: "m",
    content: "two",
    privacy: "full",
    expiresAt: null,
    isErased: false,
    isBeingErased: false,
  } as const;
  // Retention has pruned the first version.
  model.reset([state], { copiedAt: copiedAt, contents: new Set(["two"]) });
  expect([model.judgeContent("m", "one"), model.judgeContent("m", "two")]).toEqual([null, null]);
  expect(model.judgeContent("m", "lost")).toMatch(/has lost/);
  expect(model.judgeContent("m", "unclear")).toMatch(/has lost/);
  expect(model.judgeContent("m", "refused")).toMatch(/has lost/);
  expect(model.judgeContent("m", "else")).toMatch(/never written/);
  // Nor does it come back with the next restore.
  model.reset([state], { copiedAt: now(), contents: new Set(["two"]) });
  expect(model.judgeContent("m", "one")).toBeNull();
  expect(model.judgeContent("m", "lost")).toMatch(/has lost/);
});

test("what expired, and whose tombstone was pruned before the copy was made, is in the archive after a restore; what was deleted is not", () => {
  const expiring = { ...PUT, content: "expired", expiresAt: now() - 1_000 };
  const span = () => ({ from: now(), to: now() + 1 });
  const judged = (model: Model, content: string, archive: boolean) =>
    model.judge("m", { content, fromReplica: true }, span(), archive);
  const { model } = written(PUT, expiring);
  for (let restore = 0; restore < 2; restore++) {
    model.reset([], { copiedAt: now(), contents: new Set() });
    expect(judged(model, "expired", true)).toBeNull();
    expect(judged(model, "expired", false)).toMatch(/primary decides what is alive/);
    expect(judged(model, "one", true)).toMatch(/never written/);
    expect(model.judge("m", null, span(), true)).toBeNull();
    expect(model.mayBeShown("m", span(), true)).toBe(true);
    expect(model.mayBeShown("m", span(), false)).toBe(false);
  }
  const ended = written(expiring, { ...PUT, content: null }).model;
  ended.reset([], { copiedAt: now(), contents: new Set() });
  expect(judged(ended, "expired", true)).toMatch(/never written/);
  // Written after the copy was made: the primary has lost it.
  const lost = written(expiring).model;
  lost.reset([], { copiedAt: now() - 60_000, contents: new Set() });
  expect(judged(lost, "expired", true)).toMatch(/never written/);
});

test("an erasure that a primary which was put back has not done yet may end the memory at any time", () => {
  const { model } = written(PUT);
  const state = { memoryId: "m", content: "one", privacy: "full", expiresAt: null, isErased: false } as const;
  const past = { copiedAt: now(), contents: new Set(["one"]) };
  model.reset([{ ...state, isBeingErased: true }], past);
  const span = { from: now(), to: now() + 1 };
  expect(model.judge("m", primary("one"), span, false)).toBeNull();
  expect(model.judge("m", null, span, false)).toBeNull();
  model.reset([{ ...state, isBeingErased: false }], past);
  expect(model.judge("m", null, { from: now(), to: now() + 1 }, false)).toMatch(/is missing/);
});

test("a version is withheld by what came after it alone", () => {
  const hidden = { ...PUT, content: "hidden", privacy: "redacted" } as const;
  const { model } = written(PUT, hidden, { ...PUT, content: "three" });
  expect(model.isWithheld("m", "one")).toBe(true);
  expect(model.isWithheld("m", "three")).toBe(false);
  // Refused, it withheld nothing.
  model.end(model.begin("m", hidden), "failed");
  expect(model.isWithheld("m", "three")).toBe(false);
  const state = {
    memoryId: "m",
    content: "three",
    privacy: "full",
    expiresAt: null,
    isErased: false,
    isBeingErased: false,
  } as const;
  const past = { copiedAt: now(), contents: new Set<string>() };
  model.reset([state], past);
  expect(model.isWithheld("m", "lost")).toBe(false);
  model.begin("m", { ...PUT, content: null, isErasure: true });
  expect(model.isWithheld("m", "lost")).toBe(true);
  model.reset([{ ...state, privacy: "local_only" }], past);
  expect(model.isWithheld("m", "lost")).toBe(true);
});

test("a memory began as what its first write that was not refused made it", () => {
  const hidden = { ...PUT, content: "hidden", privacy: "local_only" } as const;
  const model = new Model();
  model.end(model.begin("refused", hidden), "failed");
  model.end(model.begin("refused", PUT), "done");
  expect(model.isWithheld("refused", "one")).toBe(false);
  for (const outcome of ["done", "unknown"] as const) {
    model.end(model.begin(outcome, { ...PUT, content: "refused" }), "failed");
    model.end(model.begin(outcome, hidden), outcome);
    model.end(model.begin(outcome, PUT), "done");
    expect(model.isWithheld(outcome, "one")).toBe(true);
  }
});
