import { expect, test } from "vitest";
import { StoreUnavailableError, ValidationError, VersionConflictError } from "../../../src/index.ts";
import { CallSlots } from "../../../src/mcp/call-slots.ts";
import { failureOf, failureResult } from "../../../src/mcp/failure.ts";
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
  ).rejects.toThrow("gone");
  const hangUp = AbortSignal.abort(new Error("hung up"));
  await expect(slots.run("get", 1_000, { signal: never, hangUp }, () => new Promise(() => undefined))).rejects.toThrow(
    "hung up",
  );
  expect(slots.running).toBe(0);
});
