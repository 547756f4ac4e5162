import { BUCKET_COUNT } from "../../../domain/keys.ts";
import type { WireKeyedEntry } from "../protocol/messages.ts";
import { checkArgument } from "./host-error.ts";
import type { MemoryIndex } from "./memory-index.ts";
import type { NamespaceIndex } from "./namespace-index.ts";

/** Slots that one page visits at most, however few match: bounds the time of a page over a sparse set of buckets. */
const INSPECTED_MAX = 500_000;

/**
 * The position of a scan. Changes during a scan are appended after its position, as a slot or a tombstone, so the scan
 * still meets them (perhaps a second time). A compacted namespace is scanned again from its start; after a restart of the
 * host, so is everything.
 */
interface Position {
  namespace: number;
  generation: number;
  slot: number;
  tombstone: number;
}

/** Iterates over all entries of an index, page by page. `instance` identifies this host instance. */
export function scanPage(
  index: MemoryIndex,
  instance: string,
  cursor: string | null,
  limit: number,
  buckets: readonly number[] | null,
): { entries: WireKeyedEntry[]; cursor: string | null } {
  checkArgument(Number.isInteger(limit) && limit > 0, `a page of ${limit} entries`);
  const wanted = buckets === null ? null : bucketMask(buckets);
  const position = parseCursor(cursor, instance);
  const entries: WireKeyedEntry[] = [];
  let inspected = 0;
  while (entries.length < limit && inspected < INSPECTED_MAX) {
    const current = index.namespaces[position.namespace];
    if (current === undefined) return { entries, cursor: null };
    if (position.generation !== current.generation) startNamespace(position, position.namespace, current.generation);
    inspected++;
    // Slots come first, and again whenever new slots appeared: a tombstone already passed may have become one.
    if (position.slot < current.slots.length) takeSlot(current, position.slot++, wanted, entries);
    else if (position.tombstone < current.tombstones.length)
      takeTombstone(current, position.tombstone++, wanted, entries);
    else {
      const next = position.namespace + 1;
      startNamespace(position, next, index.namespaces[next]?.generation ?? 0);
    }
  }
  const { namespace, generation, slot, tombstone } = position;
  return { entries, cursor: [instance, namespace, generation, slot, tombstone].join(".") };
}

function startNamespace(position: Position, namespace: number, generation: number): void {
  Object.assign(position, { namespace, generation, slot: 0, tombstone: 0 });
}

function takeSlot(index: NamespaceIndex, slot: number, wanted: Uint8Array | null, entries: WireKeyedEntry[]): void {
  if (!index.slots.isLive(slot) || wanted?.[index.slots.bucketAt(slot)] === 0) return;
  const { memoryId, version, checksum } = index.slots.entryAt(slot);
  entries.push({ state: "live", namespace: index.namespace, memoryId, version, checksum });
}

function takeTombstone(
  index: NamespaceIndex,
  position: number,
  wanted: Uint8Array | null,
  entries: WireKeyedEntry[],
): void {
  const entry = index.tombstones.at(position);
  if (entry === undefined || wanted?.[entry.bucket] === 0) return;
  const { memoryId, version } = entry;
  entries.push({ state: "tombstone", namespace: index.namespace, memoryId, version });
}

function bucketMask(buckets: readonly number[]): Uint8Array {
  const mask = new Uint8Array(BUCKET_COUNT);
  for (const bucket of buckets) mask[bucket] = 1;
  return mask;
}

function parseCursor(cursor: string | null, instance: string): Position {
  const start: Position = { namespace: 0, generation: 0, slot: 0, tombstone: 0 };
  if (cursor === null) return start;
  const parts = cursor.split(".");
  const numbers = parts.slice(1).map(Number);
  checkArgument(
    parts.length === 5 && numbers.every((number) => Number.isSafeInteger(number) && number >= 0),
    `${cursor} is not a cursor of a scan`,
  );
  if (parts[0] !== instance) return start;
  const [namespace, generation, slot, tombstone] = numbers as [number, number, number, number];
  return { namespace, generation, slot, tombstone };
}
