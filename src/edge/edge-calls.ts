import type { Filter } from "../domain/filter/filter.ts";
import type { FileStatus } from "./file/status-reads.ts";

export interface InNamespace {
  /** @default "default" */
  readonly namespace?: string | undefined;
}

export interface EdgeListOptions extends InNamespace {
  readonly where?: Filter | undefined;
  /** 1 … 1_000. @default 100 */
  readonly limit?: number | undefined;
  /** The cursor of the page before. @default the start */
  readonly cursor?: string | undefined;
}

export interface EdgeSearchOptions extends InNamespace {
  readonly where?: Filter | undefined;
  /** 1 … 1_000. @default 10 */
  readonly k?: number | undefined;
}

/** How an edge stands. */
export interface EdgeStatus extends FileStatus {
  /** `online`: the hub answered last. `refused`: it refuses the device or its key. `disabled`: no hub is set, or `enabled` is false. */
  readonly mode: "online" | "offline" | "paused" | "refused" | "disabled";
  /** Message of the last failure; null while the mode is `online`. */
  readonly reason: string | null;
  /** Whether a process syncs the file in the background. */
  readonly syncing: boolean;
}
