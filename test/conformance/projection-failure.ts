import { describe, expect, test } from "vitest";
import { MnemosyncError } from "../../src/domain/errors.ts";
import type { Projection } from "../../src/stores/projection.ts";
import { keyOf, put } from "./changes.ts";
import { type ProjectionUnderTest, soon } from "./projection-suite.ts";

const CALLS: Record<string, (projection: Projection, signal: AbortSignal) => Promise<unknown>> = {
  prepare: (projection, signal) => projection.prepare({ token: "T", changes: [put("a", 2)] }, signal),
  publish: (projection, signal) => projection.publish([put("a", 2)], signal),
  read: (projection, signal) => projection.read([keyOf(put("a", 1))], { data: true }, signal),
  scan: (projection, signal) => projection.scan(null, {}, signal),
  digest: (projection, signal) => projection.digest(signal),
  count: (projection, signal) => projection.count(signal),
  replace: (projection, signal) =>
    projection.replace([{ key: keyOf(put("b", 1)), found: null, change: put("b", 1) }], signal),
};

export function describeFailure(subject: ProjectionUnderTest): void {
  const failureOf = async (call: Promise<unknown>): Promise<unknown> =>
    await call.then(
      () => null,
      (error: unknown) => error,
    );

  describe("a call", () => {
    test.each(Object.keys(CALLS))("(%s) whose deadline has passed says that the store is unavailable", async (name) => {
      await subject.projection.publish([put("a", 1)], soon());
      const signal = AbortSignal.abort(new DOMException("time is up", "TimeoutError"));
      const failure = await failureOf(CALLS[name]!(subject.projection, signal));
      expect(failure).toBeInstanceOf(MnemosyncError);
      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE", store: subject.projection.id, retryable: true });
      const entries = await subject.projection.read([keyOf(put("a", 1)), keyOf(put("b", 1))], { data: false }, soon());
      expect(entries).toMatchObject([{ version: 1 }, null]);
    });

    test.each(Object.keys(CALLS))("(%s) that its caller gave up says so", async (name) => {
      await subject.projection.publish([put("a", 1)], soon());
      const failure = await failureOf(CALLS[name]!(subject.projection, AbortSignal.abort()));
      expect(failure).toBeInstanceOf(MnemosyncError);
      expect(failure).toMatchObject({ code: "ABORTED" });
    });

    test("that is given up on its way leaves the store in order", async () => {
      const changes = Array.from({ length: 500 }, (_, number) => put(`n${number}`, 1));
      const abort = new AbortController();
      const publishing = failureOf(subject.projection.publish(changes, abort.signal));
      abort.abort();
      const failure = await publishing;
      if (failure !== null) expect(failure).toBeInstanceOf(MnemosyncError);
      // Whatever came through, coming again brings the rest.
      await subject.projection.publish(changes, soon());
      expect(await subject.projection.count(soon())).toBe(500);
    });
  });

  describe("health", () => {
    test("is healthy, and without a reason, while the store answers", async () => {
      expect(await subject.projection.health(soon())).toEqual({ state: "healthy" });
    });

    test("never rejects, whatever becomes of its signal, and changes nothing", async () => {
      await subject.projection.publish([put("a", 1)], soon());
      for (const signal of [AbortSignal.abort(), AbortSignal.abort(new DOMException("time is up", "TimeoutError"))]) {
        const health = await subject.projection.health(signal);
        expect(["healthy", "down"]).toContain(health.state);
        if (health.state === "down") expect(health.reason).toMatch(/\S/);
      }
      expect(await subject.projection.count(soon())).toBe(1);
    });
  });
}
