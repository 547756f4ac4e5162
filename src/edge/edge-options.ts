import { hostname } from "node:os";
import { ConfigurationError } from "../domain/errors.ts";
import { defined } from "../domain/settings.ts";
import type { Hub } from "../hub/protocol/hub.ts";
import type { Log } from "../runtime/log.ts";
import { type EdgeOptions, type EdgeSettings, edgeSettings } from "./settings.ts";
import { HttpHub } from "./transport/http-hub.ts";
import { postgresHub } from "./transport/postgres-hub.ts";
import type { CallHub, HubAddress } from "./worker/hub-messages.ts";
import { WorkerHub } from "./worker/worker-hub.ts";

/** The transport of a device: an object that speaks for one device, or a function that makes one. */
export type HubGiven = string | Hub | ((device: string) => Hub);

/** Settings of the section `edge`. `hub` may also be a transport of your own. */
export type OpenOptions = Omit<EdgeOptions, "hub"> & { readonly hub?: HubGiven | undefined };

/** Parts that tests and embedding programs may replace. */
export interface OpenExtras {
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** 0 … 1: for keys and for waits. @default Math.random */
  readonly random?: () => number;
  /** @default silent */
  readonly log?: Log;
  /** SQLite in the calling thread, which it holds up: for simulations, whose steps must come in one order. @default false */
  readonly inProcess?: boolean;
  /** In process: whether the file does what can wait after a moment of the real clock without calls; else writes do it. @default true */
  readonly rests?: boolean;
  /** `rescue` sets a damaged file aside and saves its readable rows; `refuse` throws `EdgeFileError`. @default "rescue" */
  readonly onDamage?: "rescue" | "refuse";
  /** Whether opening looks at every page of the file. @default true */
  readonly check?: boolean;
  /** @default Node's own client, with the connections of its global agent */
  readonly fetch?: typeof globalThis.fetch;
}

/** The checked settings, and how the hub is reached; null: it is not. @throws {ConfigurationError} */
export function readOptions(options: OpenOptions, extras: OpenExtras): EdgeSetup {
  const { hub, ...others } = options;
  const parsed = edgeSettings.safeParse(defined({ ...others, ...(typeof hub === "string" && { hub }) }));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    if (issue?.code === "unrecognized_keys") {
      throw new ConfigurationError(`edge.${issue.keys[0]}: an edge has no such setting; a name may be misspelt`);
    }
    throw new ConfigurationError(`edge.${issue?.path.join(".")}: ${issue?.message}`);
  }
  const settings = parsed.data;
  if (!settings.enabled || hub === undefined) return { settings, connect: null, address: null };
  if (typeof hub === "function") return { settings, connect: hub, address: null };
  if (typeof hub === "object") return { settings, connect: () => hub, address: null };
  const deviceName = settings.deviceName ?? (hostname() || undefined);
  const timeoutMs = settings.requestTimeoutMs;
  if (/^postgres(ql)?:/.test(hub)) {
    const connect = (device: string) => postgresHub({ postgresUrl: hub, device, deviceName, timeoutMs });
    return { settings, connect, address: null };
  }
  const address = { url: hub, apiKey: settings.apiKey, deviceName, timeoutMs };
  const { fetch, inProcess = false } = extras;
  // The worker cannot be given a function.
  if (!inProcess && fetch === undefined) {
    const connect = (device: string, callHub: CallHub | null): Hub =>
      callHub === null ? new HttpHub({ ...address, device }) : new WorkerHub(device, callHub);
    return { settings, connect, address };
  }
  const connect = (device: string) => new HttpHub({ ...address, device, ...(fetch !== undefined && { fetch }) });
  return { settings, connect, address: null };
}

export interface EdgeSetup {
  readonly settings: EdgeSettings;
  /** @param callHub of the worker, where it calls the hub. */
  readonly connect: ((device: string, callHub: CallHub | null) => Hub) | null;
  /** Of a hub that the worker calls; null: it is called from the thread of the caller. */
  readonly address: HubAddress | null;
}
