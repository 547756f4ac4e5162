import { isDeepStrictEqual } from "node:util";
import type { EdgeMemory } from "../../../src/edge/index.ts";
import type { HubPut } from "../../../src/hub/protocol/changes.ts";
import type { Simulation } from "./simulation.ts";

const NEVER_ABORTED = new AbortController().signal;

/** What must hold once hub and edges are at rest. */
export async function judge(run: Simulation): Promise<{ violations: string[]; conflicts: number }> {
  const violations = [...run.failures];
  const hub = await memoriesAtHub(run);
  const left: string[] = [...hub.values()].flatMap(({ memory }) => (memory.privacy === "full" ? [memory.content] : []));
  let conflicts = 0;
  for (const { store, setting } of run.edges) {
    const named = (what: string) => `edge ${setting.index} (${setting.policy}): ${what}`;
    const queue = await store.queue();
    for (const item of queue) {
      violations.push(
        named(`${item.memoryId} waits in the outbox, ${item.status}, ${item.lastError?.code ?? "no error"}`),
      );
    }
    const own = new Map<string, EdgeMemory>();
    for (const memory of (await store.list({ limit: 1_000 })).memories) own.set(memory.memoryId, memory);
    for (const id of new Set([...hub.keys(), ...own.keys()])) {
      const difference = compare(hub.get(id)?.memory ?? null, own.get(id) ?? null);
      if (difference !== null) violations.push(named(`${id} ${difference}`));
    }
    const kept = own.get(`redacted-${setting.index}`);
    if (kept?.withheld || kept?.content === "") violations.push(named("a redacted echo took its own content"));
    for (const { local, remote } of await store.conflicts({ all: true, limit: 1_000 })) {
      conflicts += 1;
      left.push(...[local, remote].flatMap(({ memory }) => (memory === null ? [] : [memory.content])));
    }
  }
  // What a user deleted is gone by that will, whichever side wins in the end.
  left.push(...run.edits.deletions());
  // A withdrawal wins over every edit.
  const lost = run.edits.lost(left, (id) => id === "raised" && run.raisedAt !== null);
  for (const name of lost) violations.push(`${name} is lost: it neither shows, nor is it kept in conflicts`);
  for (const name of run.recorder.appliedTwice()) violations.push(`${name} was applied twice`);
  violations.push(...leaks(run), ...(await run.hub.findings()));
  return { violations, conflicts };
}

/** What a device that never synced is told: each memory of the hub. */
async function memoriesAtHub({ hub }: Simulation): Promise<Map<string, HubPut>> {
  const observer = hub.as("observer");
  await observer.identify(NEVER_ABORTED);
  const memories = new Map<string, HubPut>();
  let cursor: string | null = null;
  for (;;) {
    const page = await observer.changesAfter(cursor, { limit: 1_000, waitMs: 0, namespaces: null }, NEVER_ABORTED);
    for (const change of page.changes) {
      if (change.kind === "put") memories.set(change.memoryId, change);
      else memories.delete(change.memoryId);
    }
    if (page.complete) return memories;
    cursor = page.cursor;
  }
}

function compare(hub: HubPut["memory"] | null, own: EdgeMemory | null): string | null {
  if (own?.privacy === "local_only") return hub === null ? null : "is local_only, and the hub has it";
  if (hub === null || own === null) {
    return hub === own ? null : `is ${hub === null ? "only at the edge" : "only at the hub"}`;
  }
  const sees = (memory: HubPut["memory"] | EdgeMemory) => ({
    ...{ privacy: memory.privacy, importance: memory.importance, memoryType: memory.memoryType },
    ...(hub.privacy === "full" && "content" in memory && { content: memory.content, metadata: memory.metadata }),
  });
  const [there, here] = [sees(hub), sees(own)];
  return isDeepStrictEqual(there, here)
    ? null
    : `reads ${JSON.stringify(here)} here and ${JSON.stringify(there)} at the hub`;
}

/** Content that must not leave its device is in no message; what was withdrawn is not repeated. */
function leaks({ recorder, raisedAt }: Simulation): string[] {
  const found: string[] = [];
  for (const [index, { edge, kind, text }] of recorder.messages.entries()) {
    if (text.includes("secret-")) found.push(`a ${kind} of edge ${edge} has withheld content: ${text.slice(0, 500)}`);
    if (kind !== "push" || edge !== 0 || raisedAt === null || index < raisedAt) continue;
    const puts = /"memoryId":"raised"[^{}]*"op":"put"|"op":"put"[^{}]*"memoryId":"raised"/;
    if (puts.test(text)) found.push(`edge 0 sent a withdrawn memory again: ${text.slice(0, 500)}`);
  }
  return found;
}
