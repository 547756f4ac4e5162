import type { FileNotice } from "../file/context.ts";
import type { SyncedChange } from "../file/synced-change.ts";
import type { EdgeSettings } from "../settings.ts";
import type { FilePort } from "../worker/file-port.ts";
import type { HubLink } from "./hub-link.ts";

/** What one push came to. */
export interface PushResult {
  readonly sent: number;
  readonly applied: number;
  readonly conflicts: number;
  readonly failed: number;
  /** Changes that the hub did not take now. */
  readonly retry: number;
  /** Milliseconds from the oldest edit that was applied to its answer; null: none was applied. */
  readonly lagMs: number | null;
  /** Whether more could be sent at once. */
  readonly more: boolean;
}

/** What one pull came to. */
export interface PullResult {
  readonly changes: number;
  /** Those of them that were news here: neither echoes of what went up nor older versions. */
  readonly news: number;
  readonly conflicts: number;
  /** Whether the hub has more that was not asked for yet. */
  readonly more: boolean;
}

/** What a whole sync came to. */
export interface SyncReport {
  readonly pushed: number;
  readonly pulled: number;
  readonly conflicts: number;
  readonly failed: number;
  /** Changes that still wait: the hub asked for patience, or they are held up. */
  readonly pending: number;
  /** What went up, as the hub answered it. */
  readonly up: SyncedChanges;
  /** What came down, without echoes of what went up. */
  readonly down: SyncedChanges;
}

/** Changes of one direction: how many there were, and the first of them. */
export interface SyncedChanges {
  readonly count: number;
  readonly changes: readonly SyncedChange[];
}

/** Changes of one direction that a report lists, unless its caller asks for more. */
export const LISTED_MAX = 1_000;

/** Gathers the changes of one direction, up to a bound. */
export class SyncedList implements SyncedChanges {
  count = 0;
  readonly changes: SyncedChange[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Changes for which there is room. */
  get room(): number {
    return this.#max - this.changes.length;
  }

  /** @param count how many there were; `changes` are the first of them. */
  add(changes: readonly SyncedChange[], count: number): void {
    this.count += count;
    this.changes.push(...changes.slice(0, this.room));
  }

  /** As it goes through files and between threads. */
  toJSON(): SyncedChanges {
    return { count: this.count, changes: this.changes };
  }
}

export interface SyncingOptions {
  readonly port: FilePort;
  readonly link: HubLink;
  readonly settings: EdgeSettings;
  readonly now: () => number;
  readonly onNotices: (notices: readonly FileNotice[]) => void;
  readonly onPushed: (result: PushResult) => void;
  readonly onPulled: (result: PullResult) => void;
}

export const NOTHING_SENT: PushResult = {
  sent: 0,
  applied: 0,
  conflicts: 0,
  failed: 0,
  retry: 0,
  lagMs: null,
  more: false,
};

/** The day of a time, where this machine is: what people call today. */
export function dayOf(nowMs: number): string {
  const date = new Date(nowMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
