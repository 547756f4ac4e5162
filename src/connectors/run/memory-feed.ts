import type { Filter } from "../../domain/filter/filter.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { MemoryKey } from "../../domain/keys.ts";

/** What a sink needs of a synchronizer. */
export interface MemoryFeed {
  readChanges(options: {
    readonly cursor?: string | undefined;
    readonly namespaces?: readonly string[] | undefined;
    readonly where?: Filter | undefined;
    readonly limit: number;
    readonly signal: AbortSignal;
  }): Promise<{
    readonly events: readonly (MemoryKey & {
      readonly kind: "put" | "deleted" | "withdrawn";
      readonly version: number;
    })[];
    readonly cursor: string;
    readonly complete: boolean;
  }>;
  /** The memory as the ledger has it. One that is older than what `readChanges` told is not sent: it is read again later. */
  get(
    memoryId: string,
    options: { readonly namespace: string; readonly signal: AbortSignal },
  ): Promise<{
    readonly version: number;
    readonly content: string;
    readonly memoryType: string;
    readonly importance: number;
    readonly metadata: JsonObject;
    readonly privacy: "full" | "redacted" | "local_only";
  } | null>;
}
