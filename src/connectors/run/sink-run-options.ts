import type { Filter } from "../../domain/filter/filter.ts";

export interface SinkRunOptions {
  /** @default all */
  readonly namespaces?: readonly string[] | undefined;
  /** Memories that are sent; one that no longer passes is removed there. @default all */
  readonly where?: Filter | undefined;
  /** Texts that are on their way at once. 1 … 1_000. @default 100 */
  readonly inFlightMax?: number;
  /** Reads the feed from its start and makes each text anew: it is sent where it says something else. @default false */
  readonly fromStart?: boolean | undefined;
  /** Failures in a row that pass, after which the run ends as failed. From 1. @default 10 */
  readonly failuresMax?: number;
}
