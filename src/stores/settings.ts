import * as z from "zod";
import { SECRET } from "../domain/settings.ts";

/** A store of the user's own, loaded from a module. */
const storeModule = z.strictObject({
  module: z.string().min(1),
  // May contain addresses and passwords, so it is secret.
  options: z.record(z.string(), z.unknown()).default({}).meta(SECRET),
});

/** The stores beside those that have settings of their own. */
export const storeSettings = z.strictObject({
  stores: z
    .array(storeModule)
    .default([])
    .describe(
      "Further stores, a list of { module, options }: a package or a path to a module that exports a factory of a " +
        "Projection. As text: names of modules separated by commas, or the list as JSON",
    ),
});

/** Whether an entry of the library option `stores` is a module to load; others are projections. */
export function isStoreModule<Store extends object>(store: Store | StoreModuleInput): store is StoreModuleInput {
  return typeof (store as Partial<StoreModuleInput>).module === "string";
}

/** One entry of `stores`. */
export type StoreModule = z.output<typeof storeModule>;

/** One entry of `stores` as a caller gives it: a store of the user's own, loaded from a module. */
export interface StoreModuleInput {
  /** A package, or a path from the current directory, that exports a factory of a `Projection`. */
  module: string;
  /** Passed to the factory. May hold addresses and passwords, so messages do not show it. @default {} */
  options?: Record<string, unknown> | undefined;
}
