import { ApiError } from "../../api/api-error.ts";
import { type Api, memoryPath } from "../../api/client.ts";
import type { Version } from "../../api/documents.ts";

/** Versions that are listed at first, and on demand. */
export const VERSIONS_FIRST = 100;
export const VERSIONS_MAX = 1_000;
/** Those of large memories: each version comes with its content, and the service bounds an answer. */
const VERSIONS_FEW = 10;

export interface History {
  /** Newest first. */
  readonly versions: readonly Version[];
  /** Versions that were asked for at most. */
  readonly limit: number;
}

/** The newest versions of a memory: at most `limit`, and fewer where so many are too large for an answer. */
export async function readHistory(
  api: Pick<Api, "get">,
  { namespace, memoryId }: { readonly namespace: string; readonly memoryId: string },
  limit: number,
  signal: AbortSignal,
): Promise<History> {
  const path = memoryPath(namespace, memoryId, "history");
  const read = async (most: number): Promise<History> => {
    const { versions } = await api.get<{ versions: readonly Version[] }>(path, { query: { limit: most }, signal });
    return { versions, limit: most };
  };
  for (const most of [limit, VERSIONS_FIRST].filter((each, at) => at === 0 || each < limit)) {
    try {
      return await read(most);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "ANSWER_TOO_LARGE") throw error;
    }
  }
  return await read(VERSIONS_FEW);
}
