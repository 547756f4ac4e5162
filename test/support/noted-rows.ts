import { encodeMemory } from "../../src/domain/memory.ts";
import type { AppliedChange, PushedFacts } from "../../src/ledger/change-claims.ts";
import type { NewlyWritten } from "../../src/ledger/copy-flights.ts";
import type { LedgerTransaction } from "../../src/ledger/ledger-transaction.ts";
import type { NewlyPushed } from "../../src/ledger/push-flights.ts";
import { KnownRows } from "../../src/write/known-rows.ts";
import { NewGuess } from "../../src/write/new-guess.ts";
import type { WriteIntent } from "../../src/write/plan.ts";
import { Preparation } from "../../src/write/preparation.ts";
import type { RowsTask } from "../../src/write/rows.ts";

const document = { content: "a", memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" } as const;

/** What the transaction of `notedTask` knows of each pushed change. */
export const NO_FACTS: PushedFacts = { epoch: "e", device: null, taken: null, privacy: null, holder: null };

/** A write of memory `m<number>`, by a caller that leaves version and time to the ledger. */
export function putIntent(number: number, more: Partial<WriteIntent> = {}): WriteIntent {
  const key = { namespace: "default", memoryId: `m${number}` };
  return { key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null, ...more };
}

export interface NotedTaskOptions extends Partial<RowsTask> {
  /** @default true */
  readonly flies?: boolean;
  /** The answer to new memories. @default written, at 77 */
  readonly newly?: NewlyWritten;
  /** The answer to new memories of pushed changes. @default "written" */
  readonly pushed?: NewlyPushed["answer"];
}

/** A task of `writeRows`, whose transaction notes what it is asked, and which claims came with it. */
export function notedTask(options: NotedTaskOptions & Pick<RowsTask, "intents">) {
  const { flies = true, newly = { answer: "written", writtenAt: 77 }, pushed = "written", ...more } = options;
  const asked: string[] = [];
  let claimed: readonly AppliedChange[] = [];
  const transaction = {
    flies,
    beginWithNew: async () => {
      asked.push("beginWithNew");
      return newly;
    },
    beginWithPushed: async (_writes, _token, applied) => {
      asked.push("beginWithPushed");
      claimed = applied;
      return { answer: pushed, facts: applied.map(() => NO_FACTS) };
    },
    begin: async (_keys, _claiming, changes = []) => {
      asked.push("begin");
      return { locked: new Map(), floors: new Map(), now: 5, isKeyTaken: false, facts: changes.map(() => NO_FACTS) };
    },
    isReplicated: async () => false,
    write: async () => {
      asked.push("write");
      return "written";
    },
  } as Partial<LedgerTransaction> as LedgerTransaction;
  const task: RowsTask = {
    transaction,
    atomic: false,
    claiming: undefined,
    token: { transactionId: "t", nodeId: "n", storeVersions: { withEmbedding: "{}", withoutEmbedding: "{}" } },
    preparation: new Preparation({ token: "t", gates: [], everywhere: false, timeoutMs: 1_000 }),
    known: new KnownRows(),
    endsUnknown: false,
    newGuess: new NewGuess(),
    pushGuess: new NewGuess(),
    onStep: undefined,
    ...more,
  };
  return { task, asked, claimed: () => claimed };
}
