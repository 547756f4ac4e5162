import { type MnemosyncError, StoreEpochError } from "../domain/errors.ts";
import type { ProjectionHealth } from "../domain/store-id.ts";
import type { Projection } from "./projection.ts";

/** Calls that read or change a store's contents. */
const GUARDED: readonly PropertyKey[] = [
  "prepare",
  "publish",
  "discard",
  "read",
  "unchanged",
  "scan",
  "digest",
  "count",
  "replace",
  "search",
] satisfies readonly (keyof Projection | "search")[];

/** Decides whether a store may be used. */
export interface StoreGuard {
  /** Why the store must not be used; null when it may. A local check: it makes no remote call. */
  refusal(): MnemosyncError | null;
  /** The store bears another epoch than this process published in. Absent: nothing is done about it. */
  epochDiffers?(): void;
  /** Re-evaluates the refusal when it may have changed. Never rejects. Called before each health check. */
  look(signal: AbortSignal): Promise<void>;
}

/**
 * Guards a store: while `refusal` returns a reason, every call of `GUARDED` rejects with it, whichever part of the program
 * makes the call, and the health is `down`. A proxy, not a class that repeats the contract, because a store may have more
 * functions than the contract.
 */
export function guardedStore<Store extends Projection>(store: Store, guard: StoreGuard): Store {
  const functions = new Map<PropertyKey, unknown>();
  const health = async (signal: AbortSignal): Promise<ProjectionHealth> => {
    await guard.look(signal);
    const reason = guard.refusal();
    return reason === null ? await store.health(signal) : { state: "down", reason: reason.message };
  };
  functions.set("health", health);
  return new Proxy(store, {
    get: (target, name) => {
      const known = functions.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const bound = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
      const guarded = async (...args: unknown[]): Promise<unknown> => {
        const reason = guard.refusal();
        if (reason !== null) throw reason;
        try {
          return await bound(...args);
        } catch (error) {
          if (error instanceof StoreEpochError) guard.epochDiffers?.();
          throw error;
        }
      };
      const result = GUARDED.includes(name) ? guarded : bound;
      functions.set(name, result);
      return result;
    },
  });
}
