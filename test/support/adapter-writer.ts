import { writeSync } from "node:fs";
import { Document } from "@langchain/core/documents";
import { index } from "@langchain/core/indexing";
import { MnemosyncRecordManager, MnemosyncVectorStore } from "../../src/adapters/langchain/index.ts";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { adapted, KnownEmbeddings, textOf } from "./adapted.ts";
import type { AdapterCrashOrder } from "./crash-run.ts";

/**
 * A program that remembers through an adapter and dies: run as a child process with an `AdapterCrashOrder` as JSON in its argument. It
 * writes batch by batch, tells of each that was answered, and ends itself with SIGKILL amid the last one.
 */
const order = JSON.parse(process.argv[2] ?? "{}") as AdapterCrashOrder;
const numbersOf = (batch: number): number[] => Array.from({ length: order.size }, (_, at) => batch * order.size + at);
let batch = 0;

function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("it lives on");
}

const sync = await connectWithHooks({
  ...order.options,
  onStep: (step) => {
    if (step === order.point && batch === order.batches - 1) die();
  },
});

/** Dies once the documents of its last batch are written, and before their keys are. */
class MortalStore extends MnemosyncVectorStore {
  override async addDocuments(documents: Document[], options?: { ids?: string[] }): Promise<string[]> {
    const ids = await super.addDocuments(documents, options);
    if (++batch === order.batches) die();
    return ids;
  }
}

if (order.kind === "index") {
  const vectorStore = new MortalStore(new KnownEmbeddings("one"), { sync, namespace: "langchain" });
  const recordManager = new MnemosyncRecordManager({ sync });
  const docsSource = Array.from({ length: order.batches * order.size }, (_, number) => {
    return new Document({ pageContent: textOf(number), metadata: { source: "notes" } });
  });
  await index({ docsSource, recordManager, vectorStore, options: { batchSize: order.size } });
} else {
  const items = adapted(order.kind, sync);
  for (; batch < order.batches; batch++) {
    await items.put(numbersOf(batch));
    writeSync(1, `${batch}\n`); // Not through a stream: what is told is out before anything else happens.
  }
}
writeSync(2, "it came to its end\n");
process.exit(3);
