import { PartOfPool } from "../drivers/postgres/part-of-pool.ts";
import { FindLedger } from "../ledger/find-ledger.ts";
import { retentionRules, ruleOf } from "../ledger/retention.ts";
import { CreationTimes } from "../read/creation-times.ts";
import { Finder } from "../read/finder.ts";
import { History } from "../read/history.ts";
import { Reader } from "../read/reader.ts";
import { KnownIndexes } from "../read/search/known-indexes.ts";
import { Search } from "../read/search/search.ts";
import { TextSearch } from "../read/search/text-search.ts";
import { VectorSearch } from "../read/search/vector-search.ts";
import type { VectorIndex } from "../stores/vector-index.ts";
import type { StoreGate } from "../write/store-gate.ts";
import type { WritingParts } from "./assemble-writing.ts";
import type { Foundation } from "./foundation.ts";

/** What reads memories and their history. */
export interface ReadingParts {
  readonly reader: Reader;
  readonly history: History;
  readonly finder: Finder;
  readonly search: Search;
  /** The rankings of which searches are made. */
  readonly vectors: VectorSearch;
  readonly texts: TextSearch;
  readonly indexes: KnownIndexes;
  readonly creations: CreationTimes;
}

export function assembleReading(
  foundation: Foundation,
  { batcher }: Pick<WritingParts, "batcher">,
  assertComplete?: (namespace: string) => Promise<void>,
): ReadingParts {
  const { options, postgres, ledger, stores, standings, gateOf, floors, disproved, log } = foundation;
  const reader = new Reader({
    ledger,
    cache: gateOf(stores.cache),
    isCacheTrusted: () => stores.cache === null || standings.isTrusted(stores.cache),
    floors,
    disproved,
    log,
    cacheTimeoutMs: options.cacheTimeoutMs,
    now: Date.now,
  });
  const rules = retentionRules(options);
  const history = new History({
    ledger,
    historyVersionsMax: (namespace) => ruleOf(rules, namespace).historyVersionsMax,
    write: (intent, signal) => batcher.write(intent, true, signal),
    writeAtomically: (intents, signal) => batcher.writeTogether(intents, { atomic: true }, true, signal),
  });
  const { postgresConnectionsMax, connectionWaitingMax: waitingMax } = options;
  // Whatever callers list, count and search: half of the connections are left to writes and single reads.
  const part = new PartOfPool(postgres, { connectionsMax: Math.floor(postgresConnectionsMax / 2), waitingMax });
  const find = new FindLedger(part, options.callTimeoutMs);
  const creations = new CreationTimes(new FindLedger(postgres, options.callTimeoutMs)); // A look-up by keys, like a single read.
  const now = (): number => performance.now();
  const finder = new Finder({ ledger: find, now });
  const vectorIndex = gateOf(stores.vectorIndex) as StoreGate<VectorIndex> | null;
  const indexes = new KnownIndexes(find, now);
  const vectors = new VectorSearch({ reader, vectorIndex, ledger: find, indexes, assertComplete });
  const texts = new TextSearch({ reader, ledger: find, indexes, language: options.indexes.text });
  const search = new Search(vectors, texts);
  return { reader, history, finder, search, vectors, texts, indexes, creations };
}
