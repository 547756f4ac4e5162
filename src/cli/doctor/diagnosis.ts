/**
 * - `ok`: as expected.
 * - `note`: works, and is worth knowing.
 * - `warning`: works for now.
 * - `failure`: mnemosync cannot work.
 */
export type DiagnosisState = "ok" | "note" | "warning" | "failure";

/** The result of one examination. */
export interface Diagnosis {
  /** Stable, e.g. `postgres.schema`. */
  readonly check: string;
  readonly state: DiagnosisState;
  readonly found: string;
  /** The next step; absent when there is none. */
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
