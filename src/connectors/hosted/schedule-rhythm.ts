import { ConfigurationError, ValidationError } from "../../domain/errors.ts";
import { keptRhythm, type Rhythm } from "../../jobs/rhythm.ts";
import type { ConnectorDefinition } from "../definition.ts";

/** The rhythm of jobs that a definition's schedule asks for; null: it has none. */
export function rhythmOf(schedule: ConnectorDefinition["schedule"]): Rhythm | null {
  if (schedule === undefined) return null;
  const { jitterMs, ...rhythm } = schedule;
  return jitterMs > 0 ? { ...rhythm, jitterMs } : rhythm;
}

/** @throws {ValidationError} One of the schedules cannot be read, or never comes. */
export async function assertSchedules(
  definition: Pick<ConnectorDefinition, "schedule" | "fullSchedule">,
): Promise<void> {
  for (const name of ["schedule", "fullSchedule"] as const) {
    const rhythm = rhythmOf(definition[name]);
    if (rhythm === null) continue;
    try {
      await keptRhythm(rhythm, () => 0);
    } catch (error) {
      throw error instanceof ConfigurationError ? new ValidationError(name, error.message, { cause: error }) : error;
    }
  }
}
