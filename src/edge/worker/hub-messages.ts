import type { ChangesOptions } from "../../hub/protocol/changes.ts";
import type { HubError, HubErrorCode } from "../../hub/protocol/codes.ts";
import type { PushChanges } from "../../hub/protocol/push.ts";
import type { HeldBatch } from "../file/batches.ts";
import type { HttpHubOptions } from "../transport/http-hub.ts";

/** Where the hub is, for the thread that calls it. */
export type HubAddress = Pick<HttpHubOptions, "url" | "apiKey" | "deviceName" | "timeoutMs">;

/** A call of the hub, which takes its time: others of the file are served meanwhile. */
export interface HubWork {
  readonly id: number;
  readonly device: string;
  readonly hub: HubCall;
}

export type HubCall =
  | { readonly name: "identify" }
  | { readonly name: "push"; readonly push: PushChanges & Partial<Pick<HeldBatch, "held">> }
  | { readonly name: "changesAfter"; readonly cursor: string | null; readonly options: ChangesOptions };

/** A refusal of the hub on its way between threads. */
export interface WireHubError {
  readonly code: HubErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | null;
  readonly resync: HubError["resync"];
}

/** What a hub's call came to. */
export type HubOutcome = { readonly value: unknown } | { readonly refusal: WireHubError };

/** Makes a call of the hub in the worker. `end` gives it up there. */
export type CallHub = (device: string, call: HubCall) => { readonly outcome: Promise<HubOutcome>; end(): void };
