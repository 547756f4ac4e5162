import { NotFoundError } from "../../domain/errors.ts";
import type { HeldMedia, KeptMedia, MediaFolder } from "../media/media-folder.ts";
import { pagesOf } from "../media/pages-of.ts";
import type { LedgerAccess } from "./ledger-call.ts";
import { heldByLedger, mediaFolderOf } from "./media-work.ts";

/** Memories of one file that are looked at for one that may be read. */
const HOLDERS_MAX = 10_000;
const PAGE_SIZE = 100;

/**
 * A file of a connector, for a reader of some namespaces: one of their memories must refer to it, in a version that is kept. Why there is
 * none is not told: a hash is no right to know.
 * @param namespaces null: all. @throws {NotFoundError}
 */
export async function findMedia(
  { mediaDirectory, ...ledger }: LedgerAccess & { readonly mediaDirectory: string | null },
  { connectorId, sha256 }: { readonly connectorId: string; readonly sha256: string },
  namespaces: ReadonlySet<string> | null,
  signal: AbortSignal,
): Promise<KeptMedia> {
  const folder = mediaFolderOf(mediaDirectory, connectorId);
  const isHeld = heldByLedger(ledger);
  const among = readableHolders(folder, sha256, namespaces, signal);
  for await (const page of pagesOf(among, PAGE_SIZE, signal)) {
    const held = await isHeld(page, signal);
    for (const { holder } of page.filter((_, index) => held[index])) {
      const found = await folder?.find(sha256, holder);
      if (found != null) return found;
    }
  }
  const where = mediaDirectory === null ? ": this node has no folder for files (connectors.mediaDirectory)" : "";
  throw new NotFoundError(
    `connector ${JSON.stringify(connectorId)} has no such file, or none of the memories that may be read refers to it${where}`,
  );
}

async function* readableHolders(
  folder: MediaFolder | null,
  sha256: string,
  namespaces: ReadonlySet<string> | null,
  signal: AbortSignal,
): AsyncGenerator<HeldMedia> {
  let looked = 0;
  for await (const holder of folder?.holders(sha256) ?? []) {
    signal.throwIfAborted();
    if (++looked > HOLDERS_MAX) return;
    if (namespaces === null || namespaces.has(holder.namespace)) yield { sha256, holder };
  }
}
