import type { MediaFolder, MediaHolder } from "./media-folder.ts";
import { mediaOfMetadata } from "./media-reference.ts";

/** The metadata of memories, in the order of `memoryIds`; null: there is no such memory, or it has ended. */
export type MetadataOf = (
  namespace: string,
  memoryIds: readonly string[],
  signal: AbortSignal,
) => Promise<readonly (object | null)[]>;

/** Holders of one file that are asked for at once. */
const PAGE_SIZE = 100;

/**
 * Removes files that no memory refers to any more: of memories that were edited, deleted or erased. By the run that has the
 * connector, since no other one notes new holders meanwhile.
 * @returns what was removed. @throws what `metadataOf` throws: nothing more is removed then.
 */
export async function collectMedia(
  folder: MediaFolder,
  metadataOf: MetadataOf,
  signal: AbortSignal,
  nowMs: number = Date.now(),
): Promise<{ readonly files: number; readonly bytes: number }> {
  let files = 0;
  let bytes = 0;
  for await (const file of folder.files()) {
    signal.throwIfAborted();
    const holding = await stillHolding(file.sha256, file.holders, metadataOf, signal);
    if (holding.length === file.holders.length) continue;
    await folder.retain(file.sha256, holding);
    if (holding.length > 0) continue;
    files++;
    bytes += file.bytes;
  }
  await folder.dropPartials(nowMs);
  return { files, bytes };
}

async function stillHolding(
  sha256: string,
  holders: readonly MediaHolder[],
  metadataOf: MetadataOf,
  signal: AbortSignal,
): Promise<MediaHolder[]> {
  const holding: MediaHolder[] = [];
  for (const namespace of new Set(holders.map((holder) => holder.namespace))) {
    const ids = holders.filter((holder) => holder.namespace === namespace).map(({ memoryId }) => memoryId);
    for (let at = 0; at < ids.length; at += PAGE_SIZE) {
      const page = ids.slice(at, at + PAGE_SIZE);
      const found = await metadataOf(namespace, page, signal);
      const kept = page.filter((_, index) => mediaOfMetadata(found[index]).some((media) => media.sha256 === sha256));
      holding.push(...kept.map((memoryId) => ({ namespace, memoryId })));
    }
  }
  return holding;
}
