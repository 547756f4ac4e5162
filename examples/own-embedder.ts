/**
 * An embedder of your own: any object with a model, a dimension and `embed`. This one counts pairs of letters, so that it
 * needs no network; yours would call a model.
 *
 *     npx tsx examples/own-embedder.ts
 */
import { AbortedError, type Embedder, MemorySynchronizer } from "mnemosync";
import { storesFor } from "./stores.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

class LetterPairEmbedder implements Embedder {
  /** Stored with every memory. Change the name when the vectors are no longer comparable with older ones. */
  readonly model = "letter-pairs-1";
  readonly dimension = LETTERS.length ** 2;

  /** All or nothing: one vector for each text, in their order, or it throws. */
  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    if (signal.aborted) throw new AbortedError("embedding", { cause: signal.reason });
    return texts.map((text) => {
      const vector = new Float32Array(this.dimension);
      const letters = text.toLowerCase().replace(/[^a-z]/g, "");
      for (let position = 1; position < letters.length; position++) {
        const pair = LETTERS.indexOf(letters[position - 1]!) * LETTERS.length + LETTERS.indexOf(letters[position]!);
        vector[pair]! += 1;
      }
      // The index compares by the angle, and a vector of zeros has none.
      if (vector.every((component) => component === 0)) vector[0] = 1;
      return vector;
    });
  }
}

const embedder = new LetterPairEmbedder();
const sync = await MemorySynchronizer.connect({ ...storesFor(embedder.dimension), embedder });
await sync.syncBatch([
  { memoryId: "tea", content: "Mio drinks green tea.", memoryType: "semantic" },
  { memoryId: "train", content: "The train to Basel leaves at nine.", memoryType: "semantic" },
]);
const [best] = await sync.search("greenish teas", { k: 1 });
console.log(best?.memory.memoryId, best?.memory.embeddingModel, best?.memory.content);
await sync.close();
