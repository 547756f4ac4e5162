import type { BenchMemory } from "../support/dataset.ts";
import type { Faults } from "./contender.ts";
import { documentOf, type LangChain } from "./langchain.ts";
import { countsText, differentAnswers, findable, moodOf, said } from "./observe.ts";

const BATCH_SIZE = 100;
const REFUSAL = "the second store refuses";

type Make = Faults<LangChain>[keyof Faults<LangChain>];

const search = (peer: LangChain) => peer.nearest.bind(peer);
const current = (peer: LangChain) => (memory: BenchMemory) => peer.vectors.plain(memory.content);

const vectorsLost: Make = async (peer, memories) => {
  await peer.sync(memories, BATCH_SIZE);
  await peer.reload(); // Nothing was saved, or the file is gone: it looks the same.
  const says = await said(() => peer.sync(memories, BATCH_SIZE));
  const { found, error } = await findable(memories, search(peer), current(peer));
  const how = "the store's file is gone, or was never saved";
  const failing = error === null ? "" : `: ${error}`;
  return [{ how, says, is: `${found} of ${memories.length} are found${failing}`, holds: found === memories.length }];
};

const secondStoreFails: Make = async (peer, memories) => {
  await peer.pool.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception '${REFUSAL}'; end $$;
    create trigger refuse before insert on ${peer.table} execute function refuse()`);
  const first = await said(() => peer.sync(memories, BATCH_SIZE));
  const between = countsText(await peer.counts());
  await peer.pool.query(`drop trigger refuse on ${peer.table}; drop function refuse`);
  const second = await said(() => peer.sync(memories, BATCH_SIZE));
  const counts = await peer.counts();
  const different = await differentAnswers(memories[0] as BenchMemory, search(peer), peer.vectors);
  return [
    {
      how: "Postgres refuses the keys after the vectors were added",
      says: `${first}; again: ${second}`,
      is: `${between} after the first; then ${countsText(counts)}, ${different}`,
      holds: counts.vectors === memories.length,
    },
  ];
};

const embeddedAnew: Make = async (peer, memories) => {
  const documents = memories.map(documentOf);
  await peer.sync(memories, BATCH_SIZE);
  const old = new Map(memories.map(({ memoryId, content }) => [memoryId, peer.vectors.plain(content)]));
  peer.vectors.retrain();
  const says = await said(() =>
    peer.index(documents, { batchSize: BATCH_SIZE, cleanup: "incremental", forceUpdate: true }),
  );
  const counts = await peer.counts();
  const now = await findable(memories, search(peer), current(peer));
  const stale = await findable(memories, search(peer), ({ memoryId }) => old.get(memoryId) as number[]);
  return [
    {
      how: "another model, forceUpdate",
      says,
      is: `${countsText(counts)}; ${now.found} new vectors answer, ${stale.found} old ones too`,
      holds: now.found === memories.length && stale.found === 0,
    },
  ];
};

const metadataChanged: Make = async (peer, memories) => {
  const [memory] = memories as [BenchMemory];
  const withMood = (mood: string) => [documentOf({ ...memory, metadata: { user: { mood } } })];
  await peer.index(withMood("calm"), { batchSize: BATCH_SIZE, cleanup: "incremental" });
  const says = await said(() => peer.index(withMood("cross"), { batchSize: BATCH_SIZE, cleanup: "incremental" }));
  const [found] = await peer.documents(peer.vectors.plain(memory.content), 1);
  const mood = moodOf(found?.metadata);
  return [{ how: 'user.mood "calm" becomes "cross"', says, is: `a search gives "${mood}"`, holds: mood === "cross" }];
};

const updatedThenDeleted: Make = async (peer, memories) => {
  const documents = memories.map(documentOf);
  await peer.sync(memories, BATCH_SIZE);
  const update = await said(() => peer.index(documents, { batchSize: BATCH_SIZE, forceUpdate: true }));
  const removal = await said(() => peer.index([], { batchSize: BATCH_SIZE, cleanup: "full" }));
  const counts = await peer.counts();
  const { error } = await findable(memories, search(peer), current(peer));
  return [
    {
      how: "forceUpdate, then cleanup: full without documents",
      says: `${update}; ${removal}`,
      is: `${countsText(counts)}${error === null ? "" : `; a search throws "${error}"`}`,
      holds: counts.vectors === 0 && error === null,
    },
  ];
};

export const langChainFaults: Faults<LangChain> = {
  "vectors lost, same memories synced again": vectorsLost,
  "second store fails in the middle, then tried again": secondStoreFails,
  "embedded anew under unchanged ids": embeddedAnew,
  "nested metadata changed, text the same": metadataChanged,
  "updated, then deleted": updatedThenDeleted,
};
