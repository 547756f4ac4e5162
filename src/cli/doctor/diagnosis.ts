/**
 * - `ok`: as it should be.
 * - `note`: works, and is worth knowing.
 * - `warning`: works for now.
 * - `failure`: mnemosync cannot work like this.
 */
export type DiagnosisState = "ok" | "note" | "warning" | "failure";

/** One thing that was looked at. */
export interface Diagnosis {
  /** Stable, e.g. `postgres.schema`. */
  readonly check: string;
  readonly state: DiagnosisState;
  readonly found: string;
  /** What to do; absent when there is nothing to do. */
  readonly advice?: string;
}

export function ok(check: string, found: string): Diagnosis {
  return { check, state: "ok", found };
}

export function note(check: string, found: string, advice: string): Diagnosis {
  return { check, state: "note", found, advice };
}

export function warning(check: string, found: string, advice: string): Diagnosis {
  return { check, state: "warning", found, advice };
}

export function failure(check: string, found: string, advice: string): Diagnosis {
  return { check, state: "failure", found, advice };
}
