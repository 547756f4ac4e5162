import type { FlightStatement } from "../drivers/postgres/flight.ts";

export const BEGIN: FlightStatement = { name: "begin", text: "begin isolation level read committed", types: [] };
export const COMMIT: FlightStatement = { name: "commit", text: "commit", types: [] };

/** Whether the server refused a statement. FATAL ends the connection and is an outage, not a refusal. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && (error as { severity?: unknown }).severity === "ERROR";
}
