import { hostname } from "node:os";
import { EdgeFileError } from "../errors.ts";
import type { SqlFile } from "./sql-file.ts";

/** Milliseconds for which a process that is not heard of keeps the lease. */
export const LEASE_TTL_MS = 15_000;

interface LeaseRow {
  readonly holder: string | null;
  readonly host: string | null;
  readonly pid: number | null;
  readonly expires_at: number;
  readonly requested: number;
  readonly served: number;
  readonly report: string | null;
}

export interface LeaseView {
  /** Whether this process holds it. */
  readonly held: boolean;
  /** Process that holds it; null: none. */
  readonly pid: number | null;
  readonly host: string | null;
  /** Whether a process asked for a sync that was not served yet. */
  readonly wanted: boolean;
}

/** One process at a time syncs a file. All may write. */
export class Lease {
  readonly #file: SqlFile;
  readonly #holder: string;

  /** @param holder names this opened file: another one of the same process is another holder. */
  constructor(file: SqlFile, holder: string) {
    this.#file = file;
    this.#holder = holder;
  }

  /** Takes the lease, or keeps it. A holder on this machine whose process is gone loses it at once. */
  take(nowMs: number): LeaseView {
    return this.#file.transaction(() => {
      const row = this.#row();
      const isFree =
        row.holder === null ||
        row.holder === this.#holder ||
        row.expires_at <= nowMs ||
        row.expires_at > nowMs + 2 * LEASE_TTL_MS || // It was taken before the clock was put back.
        isGone(row);
      if (!isFree) return this.#view(row, false);
      this.#file.run(
        "update lease set holder = ?, host = ?, pid = ?, expires_at = ? where id = 1",
        this.#holder,
        hostname(),
        process.pid,
        nowMs + LEASE_TTL_MS,
      );
      return this.#view(row, true);
    });
  }

  view(): LeaseView {
    const row = this.#row();
    return this.#view(row, row.holder === this.#holder);
  }

  release(): void {
    this.#file.run("update lease set holder = null, expires_at = 0 where id = 1 and holder = ?", this.#holder);
  }

  /** @throws {EdgeFileError} `locked`: another process syncs by now. Within the transaction that must not happen then. */
  require(): void {
    if (this.#row().holder === this.#holder) return;
    throw new EdgeFileError("locked", `${this.#file.path}: another process syncs this file`);
  }

  /** Asks the holder for a sync. @returns the number of the request. */
  request(): number {
    return this.#file.transaction(() => {
      this.#file.run("update lease set requested = requested + 1 where id = 1");
      return this.#row().requested;
    });
  }

  /** The number of the last request. */
  requested(): number {
    return this.#row().requested;
  }

  serve(request: number, report: string): void {
    this.#file.run("update lease set served = ?, report = ? where id = 1 and served < ?", request, report, request);
  }

  served(): { readonly request: number; readonly report: string | null } {
    const { served, report } = this.#row();
    return { request: served, report };
  }

  #row(): LeaseRow {
    return this.#file.get<LeaseRow>("select * from lease where id = 1") as LeaseRow;
  }

  #view({ pid, host, holder, requested, served }: LeaseRow, held: boolean): LeaseView {
    return { held, pid: holder === null ? null : pid, host: holder === null ? null : host, wanted: requested > served };
  }
}

function isGone({ host, pid }: LeaseRow): boolean {
  if (host !== hostname() || pid === null || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
