/** LangGraph's long-term memory on a synchronizer. Needs the peers @langchain/langgraph-checkpoint and @langchain/core. */
export { MnemosyncStore, type PutOptions } from "./mnemosync-store.ts";
export type { MnemosyncStoreOptions, StoreIndexOptions, StoreTtlOptions } from "./store-options.ts";
