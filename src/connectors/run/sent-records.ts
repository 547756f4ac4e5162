import type { MemoryKey } from "../../domain/keys.ts";
import type { SentRecord } from "../state/sink-state.ts";
import type { Delivery, Settlement } from "./sink.ts";

/** Steps of a record: each gives the next one, and does nothing else. */

type Told = MemoryKey & { readonly version: number };

/**
 * The feed told of a version. @param again whether its text is made and compared anew, although it is there: after the ledger went
 * back, the version that was sent may have another text.
 */
export function changedRecord(before: SentRecord | null, told: Told, runId: string, again = false): SentRecord {
  const { namespace, memoryId, version } = told;
  const record: SentRecord = before ?? {
    ...{ namespace, memoryId, version: 0, wanted: 0, ends: false, hash: null, name: null },
    ...{ state: "gone", receipt: null, old: [], doomed: [], reason: null, seenIn: runId },
  };
  const seen = { ...record, wanted: version, ends: false, seenIn: runId };
  if (record.state === "sent") return again ? { ...seen, version: 0 } : seen;
  const isThere = !again && record.state === "delivered" && record.version >= version;
  return isThere ? seen : { ...seen, state: "queued", reason: null };
}

/**
 * The memory has ended, or may not be shown there: what is there of it is to be removed. Where it is written again while a text is on its
 * way, that text is compared once it is settled: the ledger may have gone back, and number its versions anew.
 */
export function endedRecord(before: SentRecord | null, told: Told, runId: string): SentRecord {
  const seen = { ...changedRecord(before, told, runId, true), ends: true };
  return before?.state === "sent" ? seen : gone(seen);
}

/** A text as it was given to the service. */
interface Given {
  readonly version: number;
  readonly hash: string;
  readonly name: string;
  /** Those that this text of the version may have: see `namesOf`. */
  readonly names: readonly string[];
}

/** The record after its text was given to the service. @returns null: the service takes no texts now. */
export function givenRecord(record: SentRecord, given: Given, delivery: Delivery<unknown>): SentRecord | null {
  switch (delivery.outcome) {
    case "sent":
      return sentRecord(record, given, delivery.receipt);
    case "later":
      return null;
    case "taken":
      // Of a process that was lost after it had sent it, or of a past that the ledger lost, with another text.
      return { ...record, doomed: withNames(record.doomed, given.name) };
    case "same": {
      const same = record.old.filter((earlier) => given.names.includes(earlier));
      return same.length > 0 ? sentWithout(record, same) : record;
    }
  }
}

/** It was read after all that the feed has told: nothing newer is wanted by now. */
function sentRecord(record: SentRecord, { version, hash, name }: Given, receipt: unknown): SentRecord {
  const old = withNames(record.old, record.name).filter((earlier) => earlier !== name);
  return { ...record, version, wanted: version, hash, name, receipt, state: "sent", old, reason: null };
}

/** What the service says of a text that is on its way. */
export function settledRecord(record: SentRecord, settlement: Settlement<unknown>): SentRecord {
  if (settlement.outcome === "open") return { ...record, receipt: settlement.receipt };
  const settled = outcomeOf(record, settlement);
  if (record.ends) return gone(settled);
  const sameAs = settlement.outcome === "failed" ? settlement.sameAs : undefined;
  if (sameAs !== undefined && record.old.includes(sameAs)) return sentWithout(settled, [sameAs]);
  return settled.wanted > settled.version ? { ...settled, state: "queued", reason: null } : settled;
}

function outcomeOf(record: SentRecord, settlement: Exclude<Settlement<unknown>, { outcome: "open" }>): SentRecord {
  switch (settlement.outcome) {
    case "lost":
      return queuedAgain(record);
    case "failed":
      return failedRecord(
        { ...record, doomed: withNames(record.doomed, record.name) },
        record.version,
        settlement.reason,
      );
    case "delivered":
      return { ...record, state: "delivered", receipt: null, old: [], doomed: withNames(record.doomed, ...record.old) };
  }
}

/** The service cannot take the text. An earlier version stays there: it is better than nothing. */
function failedRecord(record: SentRecord, version: number, reason: string): SentRecord {
  return { ...record, version, state: "failed", hash: null, name: null, receipt: null, reason };
}

/** The service refused the text at once: what is there under the name of an earlier version stays there. */
export function refusedRecord(record: SentRecord, version: number, reason: string): SentRecord {
  return failedRecord({ ...record, old: withNames(record.old, record.name) }, version, reason);
}

/** The service has the text under earlier names of the record: what has them is removed, and the text is sent then. */
function sentWithout(record: SentRecord, names: readonly string[]): SentRecord {
  const old = record.old.filter((name) => !names.includes(name));
  return { ...record, state: "queued", old, doomed: withNames(record.doomed, ...names), reason: null };
}

/** What was there, or on its way, is not: it is sent again. */
export function queuedAgain(record: SentRecord): SentRecord {
  return { ...record, state: "queued", hash: null, receipt: null };
}

function gone(record: SentRecord): SentRecord {
  const doomed = withNames(record.doomed, ...record.old, record.name);
  return { ...record, state: "gone", hash: null, name: null, receipt: null, old: [], doomed, reason: null };
}

function withNames(names: readonly string[], ...more: readonly (string | null)[]): readonly string[] {
  return [...new Set([...names, ...more.filter((name) => name !== null)])];
}
