import { compareKeys, keyText, type MemoryKey } from "../domain/keys.ts";
import type { ReplicaWrite } from "./replica-write.ts";

/** A body that a batch writes. */
export interface FoldedBody extends ReplicaWrite {
  /** Whether it is written only where the replica has the memory: what never arrived is not told to have ended. */
  readonly needsRow: boolean;
}

/** What a batch makes of one memory. */
export interface FoldedMemory extends MemoryKey {
  /** Its last version in the batch, which the row moves to. */
  readonly last: FoldedBody;
  /** Content of versions below this one goes; null: none does. */
  readonly takenBelow: number | null;
  /** `all` content, or what was told in `full`. */
  readonly takes: "full" | "all";
}

export interface Folded {
  readonly bodies: readonly FoldedBody[];
  readonly memories: readonly FoldedMemory[];
}

/** What writes, in order per memory, come to as one statement: one row per memory, and no content that one of them withholds. */
export function fold(writes: readonly ReplicaWrite[]): Folded {
  const byKey = new Map<string, ReplicaWrite[]>();
  for (const write of writes) {
    const key = keyText(write);
    const own = byKey.get(key);
    if (own === undefined) byKey.set(key, [write]);
    else own.push(write);
  }
  const runs = [...byKey.values()].sort((a, b) => compareKeys(a[0] as ReplicaWrite, b[0] as ReplicaWrite));
  const bodies: FoldedBody[] = [];
  const memories: FoldedMemory[] = [];
  for (const run of runs) {
    const { own, memory } = foldMemory(run);
    bodies.push(...own);
    memories.push(memory);
  }
  return { bodies, memories };
}

function foldMemory(run: readonly ReplicaWrite[]): { own: FoldedBody[]; memory: FoldedMemory } {
  let own: FoldedBody[] = [];
  let takenBelow: number | null = null;
  let takes: "full" | "all" = "full";
  let wasPut = false;
  for (const write of run) {
    if (write.withholds !== "nothing") {
      takenBelow = write.version;
      if (write.withholds === "all") takes = "all";
      own = own.map((body) => emptied(body, write));
    }
    const isPut = write.endedBy === null;
    own.push({ ...write, needsRow: !isPut && !wasPut });
    wasPut ||= isPut;
  }
  const last = own.at(-1) as FoldedBody;
  return { own, memory: { namespace: last.namespace, memoryId: last.memoryId, last, takenBelow, takes } };
}

/** A version whose content a later one of the batch withholds. */
function emptied(body: FoldedBody, by: ReplicaWrite): FoldedBody {
  if (body.document === null) return body;
  if (by.withholds === "full" && body.withholds === "full") return body;
  const nothing = { checksum: null, digest: null, document: null, embedding: null, expiresAt: null };
  return { ...body, ...nothing, endedBy: by.endedBy ?? "withdrawn" };
}
