import type { MetadataOf } from "../../connectors/media/collect-media.ts";
import type { RunRefused } from "../../connectors/run/run-record.ts";
import type { ConnectorState, RunRecord } from "../../connectors/state/state.ts";
import type { Filter } from "../../domain/filter/filter.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { SpaceDefinition } from "./definition.ts";

/** A memory as both homes list it. */
export interface SpaceMemory {
  readonly memoryId: string;
  readonly content: string;
  readonly metadata: JsonObject;
  readonly version: number;
}

/** Where the memories of a Memory Space go, and what is known of it: a hub, or the file of an edge. */
export interface SpaceHome {
  readonly kind: HomeKind;
  /** Folder of downloaded files, with a folder per Memory Space; null: none is set. */
  readonly mediaDirectory: string | null;
  /** As it was kept, unchecked; null: there is none of that id. */
  definition(id: string): Promise<unknown>;
  /** @param definition null: it is removed, with what is known of it; the memories stay. @returns whether there was one. */
  define(id: string, definition: object | null): Promise<boolean>;
  /** To be closed at the end. */
  state(id: string): Promise<Pick<ConnectorState, "inState" | "runs" | "close">>;
  /** Makes a run in this process, and waits until it has ended. @returns the one in its way, where another process has the Memory Space. */
  sync(id: string, definition: SpaceDefinition, order: SpaceOrder): Promise<RunRecord | RunRefused>;
  /** Of the current versions. */
  readonly metadataOf: MetadataOf;
  page(query: PageQuery): Promise<{ readonly memories: readonly SpaceMemory[]; readonly cursor: string | null }>;
}

/** The choices of a run that the flags of the command make. */
export interface SpaceOrder {
  readonly scope: "changes" | "full";
  readonly force: boolean;
  /** Items to import at most; null: all. */
  readonly limit: number | null;
  readonly dryRun: boolean;
  readonly allowMassDelete: boolean;
}

export interface PageQuery {
  readonly namespace: string;
  readonly where: Filter;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly signal: AbortSignal;
}

export const HOME_KINDS = ["hub", "edge"] as const;
export type HomeKind = (typeof HOME_KINDS)[number];
