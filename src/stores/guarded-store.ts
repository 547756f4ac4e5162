import type { MnemosyncError } from "../domain/errors.ts";
import type { ProjectionHealth } from "../domain/store-id.ts";
import type { Projection } from "./projection.ts";

/** Calls that show or change what a store holds. */
const GUARDED: readonly PropertyKey[] = [
  "prepare",
  "publish",
  "discard",
  "read",
  "scan",
  "digest",
  "count",
  "replace",
  "search",
] satisfies readonly (keyof Projection | "search")[];

/** Says whether a store may be used. */
export interface StoreGuard {
  /** Why it may not; null: it may. Asks nobody. */
  refusal(): MnemosyncError | null;
  /** Looks again where the answer may have changed. Never rejects. Called before each health check. */
  look(signal: AbortSignal): Promise<void>;
}

/**
 * A store that is not used while `refusal` gives a reason: such calls reject with it, whichever part of the program makes
 * them, and its health is `down`. A proxy rather than a class that repeats the contract: stores may have more functions
 * than that.
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
        return await bound(...args);
      };
      const result = GUARDED.includes(name) ? guarded : bound;
      functions.set(name, result);
      return result;
    },
  });
}
