import { isDeepStrictEqual } from "node:util";
import type { EdgeMemory } from "../../../src/edge/index.ts";
import type { HubPut } from "../../../src/hub/protocol/changes.ts";
import { encodeVector } from "../../../src/hub/protocol/wire-memory.ts";
import type { Simulation } from "./simulation.ts";

const NEVER_ABORTED = new AbortController().signal;
/** More conflicts than a run can make. */
const CONFLICTS_MAX = 1_000;

export interface Judgement {
  readonly violations: string[];
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** What must hold once hub and edges are at rest. */
export async function judge(run: Simulation): Promise<Judgement> {
  const { users, world, recorder } = run;
  const violations = [...run.failures];
  const hub = await memoriesAtHub(run);
  const left: string[] = [...hub.values()].flatMap(({ memory }) => (memory.privacy === "full" ? [memory.content] : []));
  let conflicts = 0;
  let deadLetters = 0;
  for (const { store, setting } of run.edges) {
    const named = (what: string) => `edge ${setting.index} (${setting.policy}): ${what}`;
    const dead = new Set<string>();
    for (const { memoryId, status, lastError } of await store.queue()) {
      const isDead = status === "failed" && lastError?.code === "VALIDATION" && memoryId.startsWith("misfit-");
      if (isDead) dead.add(memoryId);
      else violations.push(named(`${memoryId} waits in the outbox, ${status}, ${lastError?.code ?? "no error"}`));
    }
    deadLetters += dead.size;
    const own = new Map<string, EdgeMemory>();
    for (const memory of (await store.list({ limit: 1_000 })).memories) own.set(memory.memoryId, memory);
    for (const id of new Set([...hub.keys(), ...own.keys()])) {
      const difference = dead.has(id) ? null : compare(hub.get(id)?.memory ?? null, own.get(id) ?? null);
      if (difference !== null) violations.push(named(`${id} ${difference}`));
      const content = own.get(id)?.content;
      if (content !== undefined) left.push(content);
    }
    const kept = own.get(`redacted-${setting.index}`);
    if (kept?.withheld || kept?.content === "") violations.push(named("a redacted echo took its own content"));
    for (const { local, remote, state, memoryId } of await store.conflicts({ all: true, limit: CONFLICTS_MAX })) {
      conflicts += 1;
      if (state === "pending") violations.push(named(`a conflict of ${memoryId} awaits a decision`));
      left.push(...[local, remote].flatMap(({ memory }) => (memory === null ? [] : [memory.content])));
    }
  }
  left.push(...(await world.hub.keptAside()));
  // What a user deleted is gone by that will, whichever side wins in the end.
  left.push(...users.edits.deletions());
  // A withdrawal wins over every edit.
  const lost = users.edits.lost(left, (id) => id === "raised" && users.raisedAt !== null);
  for (const name of lost) {
    violations.push(`${name} is lost: it neither shows, nor is it kept in conflicts; ${users.edits.whereabouts(name)}`);
    violations.push(...recorder.mentions(name));
  }
  for (const name of recorder.appliedTwice()) violations.push(`${name} was applied twice`);
  violations.push(...leaks(run), ...(await world.hub.findings()));
  return { violations, conflicts, deadLetters };
}

/** What a device that never synced is told: each memory of the hub. */
async function memoriesAtHub({ world }: Simulation): Promise<Map<string, HubPut>> {
  const observer = world.hub.as("observer");
  await observer.identify(NEVER_ABORTED);
  const memories = new Map<string, HubPut>();
  let cursor: string | null = null;
  for (;;) {
    const page = await observer.changesAfter(cursor, { limit: 1_000, waitMs: 0, namespaces: null }, NEVER_ABORTED);
    for (const change of page.changes) {
      if (change.kind === "put") memories.set(change.memoryId, change);
      else memories.delete(change.memoryId);
    }
    cursor = page.cursor;
    if (page.complete) break;
  }
  await observer.close();
  return memories;
}

function compare(hub: HubPut["memory"] | null, own: EdgeMemory | null): string | null {
  if (own?.privacy === "local_only") return hub === null ? null : "is local_only, and the hub has it";
  if (hub === null || own === null) {
    return hub === own ? null : `is ${hub === null ? "only at the edge" : "only at the hub"}`;
  }
  const sees = (memory: HubPut["memory"] | EdgeMemory) => ({
    ...{ privacy: memory.privacy, importance: memory.importance, memoryType: memory.memoryType },
    ...(hub.privacy === "full" &&
      "content" in memory && {
        content: memory.content,
        metadata: memory.metadata,
        vector: vectorOf(memory.embedding),
      }),
  });
  const [there, here] = [sees(hub), sees(own)];
  return isDeepStrictEqual(there, here)
    ? null
    : `reads ${JSON.stringify(here)} here and ${JSON.stringify(there)} at the hub`;
}

function vectorOf(embedding: string | Float32Array | null): string | null {
  return embedding instanceof Float32Array ? encodeVector(embedding) : embedding;
}

/** No byte of what must not leave its device is in any message; what was withdrawn is not repeated. */
function leaks({ recorder, users: { raisedAt } }: Simulation): string[] {
  const found: string[] = [];
  for (const [index, { edge, kind, text }] of recorder.messages.entries()) {
    const withheld = text.includes("secret-")
      ? "withheld content"
      : text.includes("kept-here-")
        ? "a private id"
        : null;
    if (withheld !== null) found.push(`a ${kind} of edge ${edge} has ${withheld}: ${text.slice(0, 500)}`);
    if (kind !== "push" || edge !== 0 || raisedAt === null || index < raisedAt) continue;
    const puts = /"memoryId":"raised"[^{}]*"op":"put"|"op":"put"[^{}]*"memoryId":"raised"/;
    if (puts.test(text)) found.push(`edge 0 sent a withdrawn memory again: ${text.slice(0, 500)}`);
  }
  return found;
}
