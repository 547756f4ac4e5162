import assert from "node:assert/strict";
import { MnemosyncError } from "../domain/errors.ts";
import { assertMatches, failureOf } from "./assertions.ts";
import { keyOf } from "./changes.ts";
import { type CaseGroup, type StoreUnderTest, soon } from "./store-under-test.ts";

const CALL_KINDS: Record<string, (store: StoreUnderTest, signal: AbortSignal) => Promise<unknown>> = {
  prepare: (store, signal) => store.projection.prepare({ token: "T", changes: [store.put("a", 2)] }, signal),
  publish: (store, signal) => store.projection.publish([store.put("a", 2)], signal),
  read: (store, signal) => store.projection.read([keyOf(store.put("a", 1))], { data: true }, signal),
  scan: (store, signal) => store.projection.scan(null, {}, signal),
  digest: (store, signal) => store.projection.digest(signal),
  count: (store, signal) => store.projection.count(signal),
  replace: (store, signal) =>
    store.projection.replace([{ key: keyOf(store.put("b", 1)), found: null, change: store.put("b", 1) }], signal),
};

const timedOut = (): AbortSignal => AbortSignal.abort(new DOMException("time is up", "TimeoutError"));

type Case = CaseGroup["cases"][string];

const pastDeadline = Object.entries(CALL_KINDS).map(([name, call]): [string, Case] => [
  `(${name}) whose deadline has passed says that the store is unavailable`,
  async (store) => {
    await store.publish(store.put("a", 1));
    const failure = await failureOf(call(store, timedOut()));
    assert.ok(failure instanceof MnemosyncError, `rejected with ${String(failure)}`);
    assertMatches(failure, { code: "STORE_UNAVAILABLE", store: store.projection.id, retryable: true });
    assertMatches(await store.read("a"), { version: 1 });
    assert.equal(await store.read("b"), null);
  },
]);

const givenUp = Object.entries(CALL_KINDS).map(([name, call]): [string, Case] => [
  `(${name}) that its caller gave up says so`,
  async (store) => {
    await store.publish(store.put("a", 1));
    const failure = await failureOf(call(store, AbortSignal.abort()));
    assert.ok(failure instanceof MnemosyncError, `rejected with ${String(failure)}`);
    assertMatches(failure, { code: "ABORTED" });
  },
]);

export const CALLS: CaseGroup = {
  name: "a call",
  cases: {
    ...Object.fromEntries(pastDeadline),
    ...Object.fromEntries(givenUp),

    "that is aborted in progress leaves the store consistent": async (store) => {
      const changes = Array.from({ length: 500 }, (_, number) => store.put(`n${number}`, 1));
      const abort = new AbortController();
      const publishing = failureOf(store.projection.publish(changes, abort.signal));
      abort.abort();
      const failure = await publishing;
      if (failure !== null) assert.ok(failure instanceof MnemosyncError, `rejected with ${String(failure)}`);
      // The store may have applied any part of the first call; the second call applies the rest.
      await store.publish(...changes);
      assert.equal(await store.count(), 500);
    },
  },
};

export const HEALTH: CaseGroup = {
  name: "health",
  cases: {
    "is healthy, and without a reason, while the store answers": async ({ projection }) => {
      assert.deepEqual(await projection.health(soon()), { state: "healthy" });
    },

    "never rejects, even when its signal fires, and changes nothing": async (store) => {
      await store.publish(store.put("a", 1));
      for (const signal of [AbortSignal.abort(), timedOut()]) {
        const health = await store.projection.health(signal);
        assert.ok(["healthy", "down"].includes(health.state), `the state is ${health.state}`);
        if (health.state === "down") assert.match(health.reason ?? "", /\S/);
      }
      assert.equal(await store.count(), 1);
    },
  },
};
