import type { MetadataOf } from "../../connectors/media/collect-media.ts";
import type { Target } from "../../connectors/run/target.ts";
import type { ConnectorState } from "../../connectors/state/state.ts";
import type { Filter } from "../../domain/filter/filter.ts";
import type { JsonObject } from "../../domain/json.ts";

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
  /** Folder of downloaded files. */
  readonly mediaDirectory: string;
  /** As it was kept, unchecked; null: there is none of that id. */
  definition(id: string): Promise<unknown>;
  /** @param definition null: it is removed, with what is known of it; the memories stay. @returns whether there was one. */
  define(id: string, definition: object | null): Promise<boolean>;
  /** To be closed at the end. */
  state(id: string): Promise<ConnectorState>;
  target(namespace: string): Target;
  /** For the collection of files. */
  readonly metadataOf: MetadataOf;
  page(query: PageQuery): Promise<{ readonly memories: readonly SpaceMemory[]; readonly cursor: string | null }>;
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
