import { ConfigurationError } from "../domain/errors.ts";
import { nearestName } from "../domain/nearest-name.ts";
import type { StoreId } from "../domain/store-id.ts";
import { latestWins } from "./latest-wins.ts";
import { manual } from "./manual.ts";
import { merge } from "./merge.ts";
import { checkStoreOrder } from "./precedence.ts";
import { preferStore } from "./prefer-store.ts";
import type { ConflictStrategy } from "./strategy.ts";
import { versionVector } from "./version-vector.ts";

/** The strategies that come with the package. */
export const BUILT_IN_STRATEGIES = ["latest_wins", "merge", "version_vector", "manual", "prefer_store"] as const;

export type BuiltInStrategy = (typeof BUILT_IN_STRATEGIES)[number];

export const DEFAULT_STRATEGY = "latest_wins" satisfies BuiltInStrategy;

export interface StrategyRegistryOptions {
  /** Order of `prefer_store`; stores that it leaves out come last. @default the ledger, then the order of registration */
  readonly preferStoreOrder?: readonly StoreId[];
  /** Stores of this deployment, which `preferStoreOrder` is checked against. @default not checked */
  readonly stores?: readonly StoreId[];
  /** The strategy for conflicts that `version_vector` cannot decide. @default "latest_wins" */
  readonly versionVectorFallback?: Exclude<BuiltInStrategy, "version_vector">;
}

const NAME_PATTERN = /^[a-z][a-z0-9_]{0,63}$/;

/** A longer name is cut in messages, and no similar name is looked for. */
const NAME_LENGTH_MAX = 64;

/** The strategies that can be picked by name: the built-in ones, and those that the user registers. */
export class StrategyRegistry {
  readonly #strategies = new Map<string, ConflictStrategy>();

  /** @throws {ConfigurationError} An option names a store or a strategy that does not exist. */
  constructor(options: StrategyRegistryOptions = {}) {
    if (options.preferStoreOrder !== undefined) checkStoreOrder(options.preferStoreOrder, options.stores);
    for (const strategy of [latestWins, merge, manual, preferStore(options.preferStoreOrder)]) this.register(strategy);
    this.register(versionVector(this.get(options.versionVectorFallback ?? DEFAULT_STRATEGY)));
  }

  /**
   * Makes a strategy available under its name. It cannot be replaced: names are logged with every resolution.
   * @throws {ConfigurationError} The name is taken or does not fit `[a-z][a-z0-9_]{0,63}`, or `resolve` is no function.
   */
  register(strategy: ConflictStrategy): void {
    const { name } = strategy;
    if (typeof name !== "string" || !NAME_PATTERN.test(name)) {
      throw new ConfigurationError(
        `a conflict strategy's name must be a small letter and up to 63 of a-z 0-9 _; found ${quoted(name)}`,
      );
    }
    if (typeof strategy.resolve !== "function") {
      throw new ConfigurationError(`conflict strategy ${name} has no function resolve(conflict, signal)`);
    }
    if (this.#strategies.has(name)) {
      throw new ConfigurationError(`a conflict strategy called ${name} is there already: pick another name`);
    }
    this.#strategies.set(name, strategy);
  }

  /** @throws {ConfigurationError} No strategy has that name: the message has all names, and the nearest one if it is near. */
  get(name: string): ConflictStrategy {
    const strategy = this.#strategies.get(name);
    if (strategy !== undefined) return strategy;
    const names = this.names();
    const nearest = name.length > NAME_LENGTH_MAX ? null : nearestName(name, names);
    const hint = nearest === null ? "there are" : `did you mean ${nearest}? There are`;
    throw new ConfigurationError(`unknown conflict strategy ${quoted(name)}; ${hint} ${names.join(", ")}`);
  }

  /** In alphabetic order. */
  names(): string[] {
    return [...this.#strategies.keys()].sort();
  }
}

function quoted(name: unknown): string {
  return typeof name === "string" ? JSON.stringify(name.slice(0, NAME_LENGTH_MAX)) : `a ${typeof name}`;
}
