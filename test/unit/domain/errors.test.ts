import { expect, test, vi } from "vitest";
import { ClosedError, MnemosyncError, StoreUnavailableError } from "../../../src/domain/errors.ts";

test("an error of another copy of the package is one of ours, by its code", async () => {
  vi.resetModules();
  const other = await import("../../../src/domain/errors.ts");
  expect(other.MnemosyncError).not.toBe(MnemosyncError);
  const error = new other.StoreUnavailableError("keywords", "unplugged");
  expect(error).toBeInstanceOf(MnemosyncError);
  expect(error.code).toBe("STORE_UNAVAILABLE");
  expect(error).not.toBeInstanceOf(StoreUnavailableError);
});

test("instanceof tells our errors apart, and leaves all others out", () => {
  const error = new StoreUnavailableError("keywords", "unplugged");
  expect(error).toBeInstanceOf(MnemosyncError);
  expect(error).toBeInstanceOf(StoreUnavailableError);
  expect(error).not.toBeInstanceOf(ClosedError);
  for (const value of [new Error("no"), null, undefined, "text", 1, {}])
    expect(value instanceof MnemosyncError).toBe(false);
});
