import type { MemorySynchronizer, Status } from "../index.ts";
import { type Identity, isOperator } from "./keys.ts";
import { type Aged, SharedReading } from "./shared-reading.ts";

/** The status as a caller may see it, of a reading that callers share. */
export async function sharedStatus(sync: MemorySynchronizer, identity: Identity): Promise<Aged<Status>> {
  const { value, ageMs } = await readingOf(sync, identity.namespaces);
  return { value: isOperator(identity) ? value : withoutReasons(value), ageMs };
}

/** Reasons come from drivers: they name hosts, users and folders. */
function withoutReasons(status: Status): Status {
  const stores = Object.entries(status.stores).map(([id, { state, memories }]) => [id, { state, memories }]);
  return { ...status, stores: Object.fromEntries(stores), services: {} };
}

/** Readings that are kept: one for all namespaces, and one for each set of namespaces that keys are bound to. */
const READINGS_MAX = 1_000;

const statuses = new WeakMap<MemorySynchronizer, Map<string, SharedReading<Status>>>();

/** Counting takes time in every store, so concurrent callers share one reading. @param bound null: of all namespaces. */
function readingOf(sync: MemorySynchronizer, bound: ReadonlySet<string> | null): Promise<Aged<Status>> {
  const readings = statuses.get(sync) ?? new Map<string, SharedReading<Status>>();
  statuses.set(sync, readings);
  const namespaces = bound === null ? undefined : [...bound].sort();
  const name = namespaces?.join(" ") ?? "*"; // No namespace contains these characters.
  let reading = readings.get(name);
  if (reading === undefined) {
    reading = new SharedReading(() => sync.status({ timeoutMs: 10_000, namespaces }));
    const oldest = readings.size >= READINGS_MAX ? readings.keys().next().value : undefined;
    if (oldest !== undefined) readings.delete(oldest);
    readings.set(name, reading);
  }
  return reading.get();
}
