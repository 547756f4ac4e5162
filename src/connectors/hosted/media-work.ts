import { join, resolve } from "node:path";
import { CONNECTOR_ID } from "../definition.ts";
import { removeUnheld, type StillHeld } from "../media/collect-media.ts";
import { MediaFolder } from "../media/media-folder.ts";
import type { RunRecord } from "../state/state.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { readHeld } from "./media-statements.ts";

/** Milliseconds after which files are looked through again though the run has changed nothing: memories end by other hands too. */
const COLLECTION_INTERVAL_MS = 3_600_000;

/** Where the files of a connector are; null: this node keeps none. */
export function mediaFolderOf(mediaDirectory: string | null, connectorId: string): MediaFolder | null {
  // It names a folder, and callers over HTTP give it.
  if (mediaDirectory === null || !CONNECTOR_ID.test(connectorId)) return null;
  return new MediaFolder(join(resolve(mediaDirectory), connectorId));
}

/** Whether versions of memories that the ledger keeps refer to files: the current one, or one of the history. */
export function heldByLedger(ledger: LedgerAccess): StillHeld {
  return async (page, signal) => await callLedger(ledger, signal, (sql) => readHeld(sql, page));
}

/** Removes what no version of a memory refers to: at the end of runs that read everything or changed something, and once an hour. */
export function mediaCollection(ledger: LedgerAccess, folder: MediaFolder) {
  return async ({ scope, counts }: RunRecord, signal: AbortSignal): Promise<void> => {
    const isQuiet = scope === "changes" && counts.updated + counts.deleted + counts.erased === 0;
    const collectedAt = isQuiet ? await folder.tidiedAt() : null;
    if (collectedAt !== null && Date.now() - collectedAt < COLLECTION_INTERVAL_MS) return;
    await removeUnheld(folder, heldByLedger(ledger), signal);
    await folder.tidy(Date.now());
  };
}
