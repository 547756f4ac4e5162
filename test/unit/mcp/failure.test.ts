import { expect, test } from "vitest";
import { StoreUnavailableError, ValidationError, VersionConflictError } from "../../../src/index.ts";
import { CallSlots } from "../../../src/mcp/call-slots.ts";
import { failureOf, failureResult } from "../../../src/mcp/failure.ts";
import { outcomeOf } from "../../../src/mcp/metrics.ts";
import { explained } from "../../../src/mcp/sdk.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { recordingLog } from "../faiss/support.ts";

/** Goal: a model reads what was found and what to do next, and nothing that belongs to the operator. */

test("a failure says its code, its reason and the next step", () => {
  const conflict = failureResult(failureOf(new VersionConflictError("m", 3, 5), silentLog, "update"));
  expect(conflict).toMatchObject({
    isError: true,
    _meta: { "mnemosync/error": { code: "VERSION_CONFLICT", foundVersion: 5 } },
  });
  expect(conflict.structuredContent).toBeUndefined();
  expect(JSON.stringify(conflict.content)).toMatch(/VERSION_CONFLICT: .*5.*get/);
  const flaw = failureOf(new ValidationError("content", "is empty"), silentLog, "remember");
  expect(flaw).toMatchObject({ code: "VALIDATION", retryable: false, details: { path: "content" } });
});

test("the reason of a driver and the text of a defect are in the log alone", () => {
  const log = recordingLog();
  const away = failureOf(
    new StoreUnavailableError("postgres", "connect to db.internal:5432 as root failed"),
    log,
    "get",
  );
  const defect = failureOf(new TypeError("secret of the inside"), log, "get");
  expect(JSON.stringify([away, defect])).not.toMatch(/internal|secret/);
  expect([away.retryable, defect.code]).toEqual([true, "INTERNAL"]);
  expect(log.events.map(({ event }) => event)).toEqual(["mcp.call_failed", "mcp.defect"]);
});

test("a package that is not installed is named, with what to do; another failure stays what it is", async () => {
  const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  await expect(explained(() => Promise.reject(missing))).rejects.toMatchObject({
    code: "CONFIGURATION",
    message: expect.stringContaining("npm install @modelcontextprotocol/sdk"),
  });
  await expect(explained(() => Promise.reject(new Error("other")))).rejects.toThrow("other");
});

test("slots are given back, however a call ends", async () => {
  const slots = new CallSlots(1);
  const never = new AbortController().signal;
  const hung = slots.run("get", 10, { signal: never }, () => new Promise(() => undefined));
  await expect(slots.run("get", 10, { signal: never }, async () => 1)).rejects.toMatchObject({
    code: "TOO_MANY_CALLS",
  });
  await expect(hung).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  expect(await slots.run("get", 1_000, { signal: never }, async () => 1)).toBe(1);
  await expect(
    slots.run("get", 1_000, { signal: AbortSignal.abort(new Error("gone")) }, async () => 1),
  ).rejects.toMatchObject({ code: "ABORTED", cause: new Error("gone") });
  // As the SDK aborts for a client that names a reason, and for one that is gone: neither is a defect.
  for (const reason of ["no longer needed", undefined]) {
    const given = slots.run("get", 1_000, { signal: AbortSignal.abort(reason) }, () => new Promise(() => undefined));
    const failure = failureOf(await given.catch((error: unknown) => error), silentLog, "get");
    expect([failure.code, outcomeOf(failure, true)]).toEqual(["ABORTED", "cancelled"]);
  }
  const hangUp = AbortSignal.abort(new Error("hung up"));
  await expect(slots.run("get", 1_000, { signal: never, hangUp }, () => new Promise(() => undefined))).rejects.toThrow(
    "get was aborted by its caller",
  );
  expect(slots.running).toBe(0);
});

test("a failure counts as the caller's or as ours, whichever it is, and as nobody's where the caller has gone", () => {
  const counted = (code: string, retryable: boolean, isGivenUp = false) => outcomeOf({ code, retryable }, isGivenUp);
  for (const code of ["VALIDATION", "NOT_FOUND", "VERSION_CONFLICT", "FORBIDDEN", "ERASED"])
    expect([code, counted(code, false)]).toEqual([code, "refused"]);
  for (const code of ["INTERNAL", "STORE_REFUSED", "COMMIT_OUTCOME_UNKNOWN", "EMBEDDING_FAILED"])
    expect([code, counted(code, false)]).toEqual([code, "failed"]);
  expect([counted("TOO_MANY_CALLS", true), counted("STORE_UNAVAILABLE", true)]).toEqual(["refused", "failed"]);
  expect([counted("DEADLINE_EXCEEDED", true, true), counted("STORE_UNAVAILABLE", true, true)]).toEqual([
    ...["failed", "cancelled"],
  ]);
});
