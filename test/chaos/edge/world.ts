import type { ConflictPolicy, EdgeStore } from "../../../src/edge/index.ts";
import type { Hub } from "../../../src/hub/protocol/hub.ts";
import type { Random } from "../../support/random.ts";
import type { FaultRates, Tally } from "./faults.ts";
import type { Recorder } from "./recorder.ts";

/** What an edge's user does, and what its operator sees. */
export type EdgeOperations = Pick<
  EdgeStore,
  | "get"
  | "put"
  | "patch"
  | "delete"
  | "list"
  | "queue"
  | "conflicts"
  | "resolve"
  | "retry"
  | "pause"
  | "resume"
  | "status"
>;

/** `background`: the loops run for a moment. */
export type SyncStep = "pushOnce" | "pullOnce" | "syncNow" | "background";

export interface EdgeSetting {
  readonly index: number;
  readonly folder: string;
  readonly policy: ConflictPolicy;
  readonly random: Random;
  readonly recorder: Recorder;
}

/** An edit that is made while a push is on its way, of whatever the memory reads then. */
export interface EditInFlight {
  readonly memoryId: string;
  readonly memory: Parameters<EdgeStore["put"]>[1];
  readonly onBegin: (before: string | null) => void;
  readonly onAcknowledged: () => void;
}

/** One device: its file, its clock, its way to the hub; it is killed and opened again. */
export interface EdgeUnderTest {
  readonly setting: EdgeSetting;
  readonly store: EdgeOperations;
  /** Kills so far, by step. */
  readonly kills: Tally;
  isOnline: boolean;
  isPaused: boolean;
  rates: FaultRates;
  /** Milliseconds by which its clock is ahead of the world's. */
  skewMs: number;
  /** @returns the code of a failure, `killed`, or null. */
  sync(step: SyncStep): Promise<string | null>;
  /** Makes the edit while the next push is on its way; nothing is made where none comes. */
  editInFlight(edit: EditInFlight | null): void;
  /** kill -9, and a new start. */
  kill(step: string): Promise<void>;
  /** kill -9 while `work` is under way, which may fail by it. */
  killDuring(work: () => Promise<unknown>): Promise<void>;
  /** Carries out one request that the edge gave up. @returns whether there was one. */
  deliverLate(): Promise<boolean>;
  close(): Promise<void>;
}

/** The hub of a simulation. */
export interface HubUnderTest {
  as(device: string): Hub;
  /** Keeps a copy of its ledger. */
  copy(): Promise<void>;
  /** The ledger becomes the copy. */
  goBack(): Promise<void>;
  /** Contents that the hub itself keeps aside: of conflicts between its own stores, after a restore. */
  keptAside(): Promise<readonly string[]>;
  /** What is wrong in its stores, once all is quiet. */
  findings(): Promise<readonly string[]>;
  readonly kills: Tally;
}

/** Where a simulation takes place. */
export interface SimulationWorld {
  readonly hub: HubUnderTest;
  /** Whether several edges can do something at the same time. */
  readonly isConcurrent: boolean;
  open(setting: EdgeSetting): Promise<EdgeUnderTest>;
  /** Has all clocks of edges go forward; the hub's too where it has one of the simulation's. */
  advance(milliseconds: number): void;
  /** The hub refuses an edge from now on. */
  refuse(edge: EdgeUnderTest): Promise<void>;
  /** It is let in again. */
  admit(edge: EdgeUnderTest): Promise<void>;
  /** No fault comes any more, and the hub serves. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

export type OpenSimulationWorld = (run: {
  readonly random: Random;
  readonly recorder: Recorder;
}) => Promise<SimulationWorld>;

/** Vectors at the hub have this many dimensions; edges do not know. */
export const DIMENSION = 8;
