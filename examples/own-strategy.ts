/**
 * A conflict strategy of your own. Two machines changed the same memory while they were apart; the export of one is
 * imported by the other, and the strategy decides which content wins. Both sides stay readable.
 *
 *     npx tsx examples/own-strategy.ts
 */
import { type Candidate, type ConflictStrategy, type ExportRecord, MemorySynchronizer } from "mnemosync";
import { storesFor } from "./stores.ts";

/** A person's word wins over a guess of the agent. Between two of a kind a person decides. */
const personFirst: ConflictStrategy = {
  name: "person_first",
  resolve({ candidates }) {
    const byPerson = candidates.filter((candidate) => saidBy(candidate) === "person");
    const [only] = byPerson;
    return only !== undefined && byPerson.length === 1
      ? { action: "choose", store: only.store, note: "a person said so" }
      : { action: "pending", note: "none, or several, of the sides are a person's" };
  },
};

function saidBy({ document }: Candidate): unknown {
  return document?.metadata.saidBy;
}

const sync = await MemorySynchronizer.connect({ ...storesFor(384), embedding: { provider: "hashing" } });
sync.registerStrategy(personFirst);

const diet = { memoryType: "semantic" } as const;
await sync.syncMemory("diet", { ...diet, content: "Amara eats meat.", metadata: { saidBy: "agent" } });
await sync.syncMemory("diet", { ...diet, content: "Amara is a vegetarian.", metadata: { saidBy: "person" } });
const exported: ExportRecord[] = [];
for await (const record of sync.exportMemories()) exported.push(asOfLaptop(record));

// Meanwhile, on this machine: the memory is changed by the agent.
await sync.syncMemory("diet", { ...diet, content: "Amara probably eats fish.", metadata: { saidBy: "agent" } });

const report = await sync.importMemories(exported, { onConflict: "strategy", strategy: personFirst.name });
console.log(`overwritten ${report.overwritten}, deferred ${report.deferred}`);
console.log((await sync.get("diet"))?.content);
for (const { version, document } of await sync.history("diet")) console.log(version, document?.content);
await sync.close();

/** A record as another machine would have exported it: the version vector counts that machine's writes. */
function asOfLaptop(record: ExportRecord): ExportRecord {
  return "versionVector" in record ? { ...record, versionVector: { laptop: record.version } } : record;
}
