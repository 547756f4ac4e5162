import type { HeldMedia, MediaFolder, MediaHolder } from "./media-folder.ts";
import { mediaOfMetadata } from "./media-reference.ts";
import { pagesOf } from "./pages-of.ts";

/**
 * The metadata of memories, in the order of `memoryIds`: those of several versions where these are kept; null: there is no such memory,
 * or it has ended.
 */
export type MetadataOf = (
  namespace: string,
  memoryIds: readonly string[],
  signal: AbortSignal,
) => Promise<readonly (object | readonly object[] | null)[]>;

/** Whether memories still refer to files, in order. */
export type StillHeld = (page: readonly HeldMedia[], signal: AbortSignal) => Promise<readonly boolean[]>;

/** What a removal took away. */
export interface RemovedMedia {
  readonly files: number;
  readonly bytes: number;
  /** Memories for which a file is not kept any more, once per file. */
  readonly holders: readonly MediaHolder[];
}

/** Holders that are asked for at once. */
const PAGE_SIZE = 200;

/**
 * Removes files that no memory refers to any more: of memories that were edited, deleted or erased. By the run that has the
 * connector, before it ends, since no other one notes new holders meanwhile.
 * @returns what was removed. @throws what `metadataOf` throws: nothing more is removed then.
 */
export async function collectMedia(
  folder: MediaFolder,
  metadataOf: MetadataOf,
  signal: AbortSignal,
  nowMs: number = Date.now(),
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { files, bytes } = await removeUnheld(folder, byMetadata(metadataOf), signal);
  await folder.tidy(nowMs);
  return { files, bytes };
}

/** Looks at every file and each of its holders, and keeps it for those that `stillHeld` names. @throws what `stillHeld` throws. */
export async function removeUnheld(
  folder: MediaFolder,
  stillHeld: StillHeld,
  signal: AbortSignal,
): Promise<RemovedMedia> {
  const moment = await folder.moment();
  let [files, bytes] = [0, 0];
  const holders: MediaHolder[] = [];
  if (moment === null) return { files, bytes, holders };
  for await (const page of pagesOf(folder.held(), PAGE_SIZE, signal)) {
    const held = await stillHeld(page, signal);
    for (const each of page.filter((_, index) => held[index] !== true)) {
      signal.throwIfAborted();
      holders.push(each.holder);
      const removed = await folder.release(each, moment);
      if (removed === null) continue;
      files++;
      bytes += removed;
    }
  }
  return { files, bytes, holders };
}

function byMetadata(metadataOf: MetadataOf): StillHeld {
  return async (page, signal) => {
    const held = new Array<boolean>(page.length).fill(false);
    for (const namespace of new Set(page.map(({ holder }) => holder.namespace))) {
      const places = page.flatMap(({ holder }, place) => (holder.namespace === namespace ? [place] : []));
      const ids = [...new Set(places.map((place) => (page[place] as HeldMedia).holder.memoryId))];
      const found = await metadataOf(namespace, ids, signal);
      for (const place of places) {
        const { sha256, holder } = page[place] as HeldMedia;
        const versions = [found[ids.indexOf(holder.memoryId)] ?? []].flat();
        held[place] = versions.some((metadata) => mediaOfMetadata(metadata).some((media) => media.sha256 === sha256));
      }
    }
    return held;
  };
}
