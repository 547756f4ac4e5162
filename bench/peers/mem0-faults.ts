import { rmSync } from "node:fs";
import type { BenchMemory } from "../support/dataset.ts";
import type { Faults } from "./contender.ts";
import type { Mem0 } from "./mem0.ts";
import { countsText, differentAnswers, findable, moodOf, said } from "./observe.ts";

const BATCH_SIZE = 100;

type Make = Faults<Mem0>[keyof Faults<Mem0>];

const search = (peer: Mem0) => peer.nearest.bind(peer);
const current = (peer: Mem0) => (memory: BenchMemory) => peer.vectors.plain(memory.content);

const vectorsLost: Make = async (peer, memories) => {
  await peer.add(memories, BATCH_SIZE);
  const first = peer.idOf(memories[0] as BenchMemory);
  rmSync(peer.vectorFile);
  peer.reopen();
  const history = (await peer.memory.history(first)) as { action: string }[];
  const again = await said(() => peer.add(memories, BATCH_SIZE));
  const says = `its history says ${history.map(({ action }) => action).join(", ")}; again: ${again}`;
  const { found } = await findable(memories, search(peer), current(peer));
  const isKnown = (await peer.memory.get(first)) !== null;
  return [
    {
      how: "the file of the vectors is gone; that of the history is not",
      says,
      is: `${found} of ${memories.length} are found, under new ids; the ids given out before are ${isKnown ? "known" : "unknown"}`,
      holds: found === memories.length && isKnown,
    },
  ];
};

const secondStoreFails: Make = async (peer, memories) => {
  const [memory] = memories as [BenchMemory];
  await peer.memory.getAll({ filters: { user_id: "nobody" } }); // Until its files are set up.
  peer.query(
    peer.historyFile,
    "create trigger refuse before insert on memory_history begin select raise(abort, 'refused'); end",
  );
  const first = await said(() => peer.add([memory], 1));
  const between = countsText(await peer.counts());
  peer.query(peer.historyFile, "drop trigger refuse");
  const second = await said(() => peer.add([memory], 1));
  const counts = await peer.counts();
  const different = await differentAnswers(memory, search(peer), peer.vectors);
  return [
    {
      how: "the history's file refuses after the vector was added",
      says: `${first}; again: ${second}`,
      is: `${between} after the first; then ${countsText(counts)}, ${different}`,
      holds: counts.vectors === 1,
    },
  ];
};

const embeddedAnew: Make = async (peer, memories) => {
  await peer.add(memories, BATCH_SIZE);
  const old = new Map(memories.map(({ memoryId, content }) => [memoryId, peer.vectors.plain(content)]));
  peer.vectors.retrain();
  const says = await said(() => peer.update(memories));
  const now = await findable(memories, search(peer), current(peer));
  const stale = await findable(memories, search(peer), ({ memoryId }) => old.get(memoryId) as number[]);
  return [
    {
      how: "another model, update() with the same text",
      says,
      is: `${countsText(await peer.counts())}; ${now.found} new vectors answer, ${stale.found} old ones`,
      holds: now.found === memories.length && stale.found === 0,
    },
  ];
};

const metadataChanged: Make = async (peer, memories) => {
  const [memory] = memories as [BenchMemory];
  await peer.add([memory], 1);
  await peer.memory.update(peer.idOf(memory), { metadata: { user: { mood: "calm" } } });
  const says = await said(async () => {
    await peer.memory.update(peer.idOf(memory), { metadata: { user: { mood: "cross" } } });
    return { updated: 1 };
  });
  const item = await peer.memory.get(peer.idOf(memory));
  const mood = moodOf(item?.metadata);
  return [{ how: 'user.mood "calm" becomes "cross"', says, is: `it gives "${mood}"`, holds: mood === "cross" }];
};

const updatedThenDeleted: Make = async (peer, memories) => {
  await peer.add(memories, BATCH_SIZE);
  await peer.update(memories);
  const says = await said(() => peer.remove(memories));
  const { vectors = 0 } = await peer.counts();
  return [{ how: "update(), then delete()", says, is: countsText({ vectors }), holds: vectors === 0 }];
};

export const mem0Faults: Faults<Mem0> = {
  "vectors lost, same memories synced again": vectorsLost,
  "second store fails in the middle, then tried again": secondStoreFails,
  "embedded anew under unchanged ids": embeddedAnew,
  "nested metadata changed, text the same": metadataChanged,
  "updated, then deleted": updatedThenDeleted,
};
