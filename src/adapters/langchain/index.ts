/** LangChain's vector store and record manager on a synchronizer. Needs the peer @langchain/core. */
export { EmbedderEmbeddings } from "./embedder-embeddings.ts";
export { MnemosyncRecordManager, type MnemosyncRecordManagerOptions } from "./mnemosync-record-manager.ts";
export {
  type MnemosyncFilter,
  MnemosyncVectorStore,
  type MnemosyncVectorStoreOptions,
} from "./mnemosync-vector-store.ts";
