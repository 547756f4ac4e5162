/**
 * Embeddings from OpenAI, or from any service that speaks its protocol (Azure, vLLM, llama.cpp, text-embeddings-inference).
 *
 *     OPENAI_API_KEY=… npx tsx examples/openai.ts
 *
 * The text of every memory is sent to the service, whatever the memory's privacy.
 */
import { MemorySynchronizer, MnemosyncError } from "mnemosync";
import { storesFor } from "./stores.ts";

const { OPENAI_BASE_URL = "https://api.openai.com/v1", OPENAI_API_KEY, OPENAI_DIMENSION = "512" } = process.env;

const sync = await MemorySynchronizer.connect({
  ...storesFor(Number(OPENAI_DIMENSION)),
  embedding: {
    provider: "http",
    url: OPENAI_BASE_URL, // a base that ends in /v1 gets /embeddings appended
    model: "text-embedding-3-small",
    apiKey: OPENAI_API_KEY,
    sendDimension: true, // this model can shorten its vectors; others refuse the request
  },
});
try {
  await sync.syncBatch([
    { memoryId: "figs", content: "Amara likes figs.", memoryType: "semantic" },
    { memoryId: "train", content: "The train to Basel leaves at nine.", memoryType: "semantic" },
  ]);
  const [best] = await sync.search("when does the train leave?", { k: 1 });
  console.log(best?.memory.content, best?.memory.embeddingModel, best?.memory.embedding?.length);
} catch (error) {
  if (!(error instanceof MnemosyncError)) throw error;
  console.error(error.code, error.message); // EMBEDDING_FAILED with the status, the endpoint and the advice, never the key
  process.exitCode = 1;
} finally {
  await sync.close();
}
