import { DESCRIPTION } from "./cases-description.ts";
import { CALLS, HEALTH } from "./cases-failure.ts";
import { PREPARE } from "./cases-prepare.ts";
import { PUBLISH } from "./cases-publish.ts";
import { REPLACE } from "./cases-replace.ts";
import { DIGEST, SCAN } from "./cases-scan.ts";
import { VALUES } from "./cases-values.ts";
import { type CaseGroup, type OpenStore, StoreUnderTest } from "./store-under-test.ts";

const GROUPS: readonly CaseGroup[] = [DESCRIPTION, PUBLISH, PREPARE, VALUES, SCAN, DIGEST, REPLACE, CALLS, HEALTH];

/** One test of the contract. */
export interface ConformanceCase {
  /** The part of the contract: `publish`, `scan`, … */
  readonly group: string;
  /** A sentence about behaviour, unique together with its group. */
  readonly name: string;
  /** Opens a store, runs the case and closes the store. Rejects when the store breaks the contract. */
  run(): Promise<void>;
}

/** The outcome of one case. */
export interface ConformanceResult {
  readonly group: string;
  readonly name: string;
  /** Null: the case passed. */
  readonly error: Error | null;
}

/** Cases that failed, in order. */
export class ConformanceError extends Error {
  readonly failures: readonly ConformanceResult[];

  constructor(failures: readonly ConformanceResult[], count: number) {
    const lines = failures.map(({ group, name, error }) => `  ${group} ${name}: ${error?.message.split("\n")[0]}`);
    super(`${failures.length} of ${count} conformance cases failed:\n${lines.join("\n")}`, {
      cause: failures[0]?.error,
    });
    this.failures = failures;
  }

  override get name(): string {
    return "ConformanceError";
  }
}

/** The contract of a projection as test cases, for any test runner. */
export function conformanceCases(open: OpenStore): ConformanceCase[] {
  return GROUPS.flatMap(({ name: group, cases }) =>
    Object.entries(cases).map(([name, body]) => ({
      group,
      name,
      run: async () => {
        const opened = await open();
        try {
          await body(new StoreUnderTest(opened));
        } finally {
          await opened.close();
        }
      },
    })),
  );
}

/**
 * Runs all cases one after the other, and continues after a failure.
 * @returns the results, when every case passed.
 * @throws {ConformanceError} naming each case that failed.
 */
export async function runConformance(
  open: OpenStore,
  options: { onResult?: (result: ConformanceResult) => void } = {},
): Promise<ConformanceResult[]> {
  const results: ConformanceResult[] = [];
  for (const { group, name, run } of conformanceCases(open)) {
    const error = await run().then(() => null, asError);
    const result = { group, name, error };
    results.push(result);
    options.onResult?.(result);
  }
  const failures = results.filter(({ error }) => error !== null);
  if (failures.length > 0) throw new ConformanceError(failures, results.length);
  return results;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
