/** The treatment of a memory that the ledger has already, with another content. */
export const ON_CONFLICT = ["skip", "overwrite", "strategy"] as const;

/**
 * - `skip`: it stays as it is.
 * - `overwrite`: the imported content becomes its next version, unless it was deleted in both. The one before goes to
 *   the history; the imported history stays behind.
 * - `strategy`: a conflict strategy decides between the two, `postgres` and `import` by name; a memory that already
 *   includes all writes of the imported one stays as it is.
 */
export type OnConflict = (typeof ON_CONFLICT)[number];

export interface ImportOptions {
  /** @default "skip" */
  onConflict?: OnConflict | undefined;
  /** With `onConflict: "strategy"`: which. @default option `repairStrategy` */
  strategy?: string | undefined;
  /** Called after each piece of about a thousand records, with the report as it stands. */
  onProgress?: ((report: ImportReport, position: ImportPosition) => void) | undefined;
  /** Ends the import early, after the writes that it began. */
  signal?: AbortSignal | undefined;
}

/** How far the source was read. */
export interface ImportPosition {
  /** Line, or record, counted from 1. */
  readonly line: number;
  /** Bytes of the file up to there; 0 where the source gives records. */
  readonly bytes: number;
}

/** A record that was not imported, and why. */
export interface RejectedRecord {
  /** Its line in a file, or its number among the records. From 1; the header is one. */
  readonly line: number;
  /** An error code of the library's, or INVALID_JSON. */
  readonly code: string;
  readonly message: string;
}

/** The outcome of an import. */
export interface ImportReport {
  /** Records, header and end included. */
  read: number;
  /** Written and in every store; `overwritten` are among them. */
  synced: number;
  /** Written, and some store is to be brought up to date by the backlog. */
  degraded: number;
  /** There already, with the same content. */
  unchanged: number;
  /** There already with another content, and left as they are. */
  skipped: number;
  /** Of the written ones, those that took the place of another content. */
  overwritten: number;
  /** Left as they are because the strategy did not decide. */
  deferred: number;
  /** Replaced versions that were added. */
  historyVersions: number;
  rejected: number;
  /** The first 1,000 rejected records, in their order. */
  errors: RejectedRecord[];
  /** Whether the last record was there: without it the export was cut short. */
  complete: boolean;
}

export function newImportReport(): ImportReport {
  return {
    read: 0,
    synced: 0,
    degraded: 0,
    unchanged: 0,
    skipped: 0,
    overwritten: 0,
    deferred: 0,
    historyVersions: 0,
    rejected: 0,
    errors: [],
    complete: false,
  };
}
