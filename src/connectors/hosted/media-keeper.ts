import { link, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import { textIfThere } from "../../runtime/if-there.ts";
import { newUlid } from "../../runtime/ulid.ts";
import { CONNECTOR_ID } from "../definition.ts";
import { removeUnheld, type StillHeld } from "../media/collect-media.ts";
import { filesOfPartial, MediaFolder } from "../media/media-folder.ts";
import { pagesOf } from "../media/pages-of.ts";

/** Which of these memories are erased. */
export type ErasedOf = (keys: readonly MemoryKey[], signal: AbortSignal) => Promise<readonly MemoryKey[]>;

/** Whether the memories of files are erased, in order. */
type ErasedAmong = (
  page: readonly { readonly holder: MemoryKey }[],
  signal: AbortSignal,
) => Promise<readonly boolean[]>;

/** Memories that are asked for at once. */
const PAGE_SIZE = 200;

/**
 * The files that connectors fetched, as an erasure sees them: content of memories beside the stores. Those of connectors that were
 * removed since are among them.
 */
export class MediaKeeper {
  readonly id = "connector-media";
  readonly #path: string;

  /** @param mediaDirectory of all connectors. */
  constructor(mediaDirectory: string) {
    this.#path = resolve(mediaDirectory);
  }

  /**
   * Names the folder in receipts: nodes that share one confirm for each other, and others do not. Null: there is none, so nothing is
   * kept in it. @throws It cannot be read, or not be written when it gets its name.
   */
  async place(): Promise<string | null> {
    if (!(await isFolder(this.#path))) return null;
    // No connector has such a name.
    const path = join(this.#path, ".folder-id");
    const found = await textIfThere(path);
    if (found !== null) return found;
    const own = `${path}.${newUlid()}`;
    await writeFile(own, newUlid(), { mode: 0o600 });
    try {
      await link(own, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // Another process was first.
    } finally {
      await rm(own, { force: true });
    }
    return await textIfThere(path);
  }

  /** Removes the files of erased memories, and what has arrived of them. @returns the memories. */
  async removeErased(erasedOf: ErasedOf, signal: AbortSignal): Promise<readonly MemoryKey[]> {
    const removed: MemoryKey[] = [];
    const erasedAmong: ErasedAmong = async (page, each) => {
      const holders = page.map(({ holder }) => holder);
      const erased = new Set((await erasedOf(holders, each)).map(keyText));
      return holders.map((holder) => erased.has(keyText(holder)));
    };
    const stillHeld: StillHeld = async (page, each) => (await erasedAmong(page, each)).map((isErased) => !isErased);
    for (const name of await readdir(this.#path)) {
      if (!CONNECTOR_ID.test(name)) continue;
      const folder = new MediaFolder(join(this.#path, name));
      removed.push(...(await removeUnheld(folder, stillHeld, signal)).holders);
      // Whose memory was that of a removal under way is not known any more: what it was to remove goes before this confirms.
      await folder.finishRemovals();
      removed.push(...(await removePartials(folder, erasedAmong, signal)));
    }
    return removed;
  }
}

async function removePartials(
  folder: MediaFolder,
  erasedAmong: ErasedAmong,
  signal: AbortSignal,
): Promise<readonly MemoryKey[]> {
  const removed: MemoryKey[] = [];
  for await (const page of pagesOf(folder.partials(), PAGE_SIZE, signal)) {
    const erased = await erasedAmong(page, signal);
    for (const { path, holder } of page.filter((_, index) => erased[index])) {
      for (const each of filesOfPartial(path)) await rm(each, { force: true });
      removed.push(holder);
    }
  }
  return removed;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
