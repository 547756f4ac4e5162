import type { Log } from "../index.ts";
import type { Caller } from "./caller.ts";

/** How a server for one connection works. */
export interface McpServerOptions {
  /**
   * The tenant of the connection. Null: several, and each call names its own.
   * @default "default"
   */
  readonly namespace?: string | null | undefined;
  /** What callers may do, where the connection does not say who calls. @default everything */
  readonly caller?: Caller | undefined;
  /** Calls of the connection at a time; further ones are refused. @default 16 */
  readonly callsMax?: number | undefined;
  /** Milliseconds that a call may take. @default 60_000 */
  readonly callTimeoutMs?: number | undefined;
  /** The same of a check. @default 600_000 */
  readonly checkTimeoutMs?: number | undefined;
  /** @default says nothing */
  readonly log?: Log | undefined;
}

export const CALLS_MAX = 16;
export const CALL_TIMEOUT_MS = 60_000;
export const CHECK_TIMEOUT_MS = 600_000;
