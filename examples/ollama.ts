/**
 * Embeddings from Ollama on this machine, by its OpenAI-compatible endpoint.
 *
 *     ollama pull nomic-embed-text
 *     npx tsx examples/ollama.ts
 */
import { MemorySynchronizer } from "mnemosync";
import { storesFor } from "./stores.ts";

const {
  OLLAMA_URL = "http://127.0.0.1:11434",
  OLLAMA_MODEL = "nomic-embed-text",
  OLLAMA_DIMENSION = "768",
} = process.env;

const sync = await MemorySynchronizer.connect({
  ...storesFor(Number(OLLAMA_DIMENSION)), // what the model answers with; every answer is checked against it
  embedding: {
    provider: "http",
    url: `${OLLAMA_URL}/v1/embeddings`,
    model: OLLAMA_MODEL,
    timeoutMs: 120_000, // the first request loads the model
  },
});
const outcome = await sync.syncMemory("likes", { content: "Amara likes figs.", memoryType: "semantic" });
console.log(outcome.status, outcome.stores);
const [best] = await sync.search("which fruit does Amara like?", { k: 1 });
console.log(best?.memory.content, best?.memory.embeddingModel);
await sync.close();
