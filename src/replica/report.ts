import type { FeedCursor } from "../domain/change-source.ts";
import type { ReplicationState } from "./events.ts";
import type { LetterCounts } from "./letter-statements.ts";
import type { Lag } from "./primary-statements.ts";

/** What the replica's own place says. `filling`: it has never reached the end of the feed. */
export type ReplicaPhase = "filling" | "comparing" | "following";

/** A replica, and what replicates to it. */
export interface ReplicaReport {
  readonly name: string;
  /** Of this node; `off`: there is no replica. */
  readonly state: ReplicationState | "off";
  /** Why this node does not go on; null while it does. */
  readonly reason: string | null;
  /** Whether the replica answered when it was last asked. */
  readonly isUp: boolean;
  /** By an operator, on all nodes. */
  readonly isPaused: boolean;
  /** The process that replicates; null: none does now. */
  readonly leader: string | null;
  /** Null: the replica does not answer. */
  readonly phase: ReplicaPhase | null;
  /** The epoch of the primary of which the replica has everything up to its place; null: not known yet. */
  readonly epoch: string | null;
  /** The replica's place in the primary's feed; while it does not answer, what the primary knows of it. Null: neither. */
  readonly cursor: FeedCursor | null;
  /** When the place moved last, in milliseconds since 1970; null: the replica does not answer. */
  readonly movedAt: number | null;
  /** Null where there is no place. */
  readonly lag: Lag | null;
  readonly deadLetters: LetterCounts | null;
  /** Versions that the primary lost and the replica keeps, up to 100,000; null: the replica does not answer. */
  readonly diverged: number | null;
}

export const NO_REPLICA: ReplicaReport = {
  name: "replica",
  state: "off",
  ...{ reason: null, isUp: false, isPaused: false, leader: null, phase: null, epoch: null, cursor: null },
  ...{ movedAt: null, lag: null, deadLetters: null, diverged: null },
};
