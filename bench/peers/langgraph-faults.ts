import { PostgresStore } from "@langchain/langgraph-checkpoint-postgres/store";
import type { BenchMemory } from "../support/dataset.ts";
import type { Faults } from "./contender.ts";
import { itemOf, type LangGraph, NAMESPACE } from "./langgraph.ts";
import { countsText, messageOf, moodOf, said } from "./observe.ts";

type Make = Faults<LangGraph>[keyof Faults<LangGraph>];

/** Only a store with a vector index could lose vectors: this says what setting one up comes to here. */
const vectorsLost: Make = async (peer) => {
  const embed = async (texts: string[]): Promise<number[][]> =>
    texts.map(() => new Array<number>(peer.dimension).fill(0));
  const store = new PostgresStore({
    connectionOptions: peer.postgresUrl,
    schema: "with_vectors",
    index: { dims: peer.dimension, embed },
  });
  try {
    await store.setup();
    throw new Error("pgvector is there: this store can have vectors, and is to be measured with them");
  } catch (error) {
    const says = `throws "${messageOf(error)}" at its set-up`;
    return [{ how: "vectors need pgvector", says, is: "no vectors to lose, and none to search", holds: true }];
  } finally {
    await store.stop();
  }
};

const secondStoreFails: Make = async (peer, memories) => {
  const half = memories[memories.length / 2] as BenchMemory;
  await peer.pool.query(`
    create function refuse() returns trigger language plpgsql as $$
    begin if new.key = '${half.memoryId}' then raise exception 'refused'; end if; return new; end $$;
    create trigger refuse before insert on store for each row execute function refuse()`);
  const put = async () => {
    const operations = memories.map((memory) => ({
      namespace: NAMESPACE,
      key: memory.memoryId,
      value: itemOf(memory),
    }));
    return { put: (await peer.store.batch(operations)).length };
  };
  const first = await said(put);
  const between = countsText(await peer.counts());
  await peer.pool.query("drop trigger refuse on store; drop function refuse");
  const second = await said(put);
  const counts = await peer.counts();
  return [
    {
      how: "one store only: Postgres refuses the middle of a batch",
      says: `${first}; again: ${second}`,
      is: `${between} after the first, half of the batch; then ${countsText(counts)}`,
      holds: counts.rows === memories.length,
    },
  ];
};

const metadataChanged: Make = async (peer, memories) => {
  const [memory] = memories as [BenchMemory];
  const put = async (mood: string) => {
    await peer.store.put(NAMESPACE, memory.memoryId, { ...itemOf(memory), metadata: { user: { mood } } });
    return { put: 1 };
  };
  await put("calm");
  const says = await said(() => put("cross"));
  const item = await peer.store.get(NAMESPACE, memory.memoryId);
  const mood = moodOf(item?.value.metadata);
  return [{ how: 'user.mood "calm" becomes "cross"', says, is: `it gives "${mood}"`, holds: mood === "cross" }];
};

const updatedThenDeleted: Make = async (peer, memories) => {
  await peer.add(memories, memories.length);
  await peer.add(memories, memories.length);
  const says = await said(() => peer.remove(memories));
  const counts = await peer.counts();
  return [{ how: "put twice, then delete", says, is: countsText(counts), holds: counts.rows === 0 }];
};

export const langGraphFaults: Faults<LangGraph> = {
  "vectors lost, same memories synced again": vectorsLost,
  "second store fails in the middle, then tried again": secondStoreFails,
  "embedded anew under unchanged ids": async () => [],
  "nested metadata changed, text the same": metadataChanged,
  "updated, then deleted": updatedThenDeleted,
};
