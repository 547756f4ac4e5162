import type { EdgeStore, OpenOptions } from "../../../../src/edge/index.ts";

/** Steps of a sync at which the process of an edge ends itself by SIGKILL. */
export const OWN_STEPS = {
  push: ["push asked", "push answered", "push recorded"],
  pull: ["pull asked", "pull answered", "pull applied"],
} as const;

/** What the process of an edge is started with. */
export interface EdgeNodeSettings {
  /** URL of the module with `EdgeStore`: what was built, or the sources. */
  readonly module: string;
  readonly options: OpenOptions;
  readonly aheadMs: number;
  /** Whether requests pass the steps of this process: else the worker of the file makes them, as it does where nothing is injected. */
  readonly seesRequests: boolean;
}

/** What the process of an edge is told, by its parent. Only `call` is answered. */
export type EdgeNodeCommand =
  | { readonly kind: "call"; readonly id: number; readonly name: EdgeNodeCall; readonly args: readonly unknown[] }
  | { readonly kind: "clock"; readonly aheadMs: number }
  /** Null: no more. */
  | { readonly kind: "dieAt"; readonly step: string | null }
  | { readonly kind: "inFlight"; readonly edit: { readonly memoryId: string; readonly memory: object } | null };

/** Methods of the store, and `background`: the loops run until they have pushed and pulled, or for some milliseconds. */
export type EdgeNodeCall = Extract<keyof EdgeStore, string> | "background";

export type EdgeNodeAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly result: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: EdgeNodeError }
  | { readonly kind: "editBegun"; readonly before: string | null }
  | { readonly kind: "editAcknowledged" };

export interface EdgeNodeError {
  readonly name: string;
  /** Null: it has none. */
  readonly code: string | null;
  readonly message: string;
}
