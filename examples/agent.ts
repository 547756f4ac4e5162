/**
 * An agent with three namespaces: what everybody may know, and what each of two users told it. It recalls before it
 * answers and remembers afterwards. No read crosses a namespace, so Ben's answers never hold what Ana said.
 *
 *     npx tsx examples/agent.ts
 */
import { MemorySynchronizer } from "mnemosync";
import { storesFor } from "./stores.ts";

const SHARED = "company";

const sync = await MemorySynchronizer.connect({ ...storesFor(384), embedding: { provider: "hashing" } });
sync.start(); // publishes what a store missed, checks and repairs, in the background

/** The memories nearest to a question, of the user's own namespace and of the shared one. */
async function recall(user: string, question: string) {
  const found = await Promise.all(
    [`user-${user}`, SHARED].map((namespace) => sync.search(question, { namespace, k: 2, scoreMin: 0.1 })),
  );
  return found.flat().sort((a, b) => b.score - a.score);
}

/** One turn of a conversation. A language model would write the answer; here the nearest memory is the answer. */
async function turn(user: string, says: string, turnNumber: number): Promise<string> {
  const [best] = await recall(user, says);
  const outcome = await sync.syncMemory(`turn-${turnNumber}`, {
    namespace: `user-${user}`,
    content: says,
    memoryType: "episodic",
    importance: 0.3,
    metadata: { user, turn: turnNumber },
  });
  // "degraded": committed, and a store that was away is brought up to date by the backlog. Nothing is lost.
  if (outcome.status === "failed") throw new Error(outcome.error?.message);
  return best === undefined ? "I do not know yet." : `${best.memory.content} (${best.memory.namespace})`;
}

await sync.syncBatch([
  { namespace: SHARED, memoryId: "hours", content: "The office opens at eight o'clock.", memoryType: "semantic" },
  { namespace: SHARED, memoryId: "wifi", content: "The guest network is called birch.", memoryType: "semantic" },
]);
await turn("ana", "My daughter is allergic to cashews.", 1);

console.log("ana:", await turn("ana", "What is my daughter allergic to?", 2));
console.log("ben:", await turn("ben", "What is her daughter allergic to?", 1));
console.log("ben:", await turn("ben", "When does the office open?", 2));

const { namespaces } = await sync.namespaces();
console.log(`namespaces: ${namespaces.join(", ")}`);
const where = { memoryType: { eq: "episodic" }, "metadata.user": { eq: "ben" } } as const;
console.log(`turns of ben: ${await sync.count({ namespace: "user-ben", where }).then(({ count }) => count)}`);
await sync.close(); // settles the writes that were taken and saves the index
