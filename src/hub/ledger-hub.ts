import { hostname } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { InternalError, MnemosyncError } from "../domain/errors.ts";
import { MemoryValidator } from "../domain/schema.ts";
import { type MemoryBounds, memorySettings } from "../domain/settings.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import { PostgresPool } from "../drivers/postgres/postgres-pool.ts";
import { Feed } from "../feed/feed.ts";
import { FeedSignal } from "../feed/feed-signal.ts";
import { type KeptVectorShape, readVectorShape } from "../ledger/embedding-statements.ts";
import { HubLedger } from "../ledger/hub-ledger.ts";
import { Ledger } from "../ledger/ledger.ts";
import { checkMigrated } from "../ledger/migrate.ts";
import { refuseReplica } from "../ledger/replica-marker.ts";
import { storeVersionTemplates } from "../ledger/store-versions.ts";
import { closeAll } from "../runtime/close-all.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { attemptsOf } from "../write/attempt.ts";
import { Batcher } from "../write/batcher.ts";
import { Intake } from "../write/intake.ts";
import { Outcomes } from "../write/outcomes.ts";
import { WRITE_DEFAULTS } from "../write/settings.ts";
import { type Probed, StoreGate } from "../write/store-gate.ts";
import { Writer } from "../write/writer.ts";
import type { HubCaller } from "./caller.ts";
import { HubService } from "./hub-service.ts";
import type { ChangesOptions, ChangesPage } from "./protocol/changes.ts";
import { HubError, type HubErrorCode } from "./protocol/codes.ts";
import type { Hub } from "./protocol/hub.ts";
import { type HubIdentity, PROTOCOL_VERSIONS } from "./protocol/identity.ts";
import type { PushAnswers, PushChanges } from "./protocol/push.ts";
import { recentCounts } from "./recent-counts.ts";
import { type HubSettings, hubSettings } from "./settings.ts";

export interface LedgerHubOptions {
  /** The ledger of the hub. Its credentials are all that the caller needs: no key restricts it. */
  readonly postgresUrl: string;
  readonly device: string;
  /** What people call the device. @default the name of the host */
  readonly deviceName?: string | undefined;
  /** Milliseconds that one call may take, its waiting apart. @default 60_000 */
  readonly timeoutMs?: number;
  /** Connections at most, one that listens apart. @default 4 */
  readonly connectionsMax?: number;
  readonly settings?: Partial<HubSettings>;
  readonly bounds?: MemoryBounds;
  /** @default silent */
  readonly log?: Log;
}

const TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 4;
/** The devices that come this way have one owner: the database's own credentials. */
const OWNER = "postgres";

/**
 * The hub straight at its ledger, for a device that can reach the database. It writes as every node does, and runs no store:
 * each transaction queues its memories for the shared stores and signals their nodes, so nothing is left to do when this process
 * is gone the moment after. Nothing is embedded here.
 */
export class LedgerHub implements Hub {
  readonly #options: LedgerHubOptions;
  readonly #postgres: PostgresPool;
  readonly #feed: Feed;
  readonly #batcher: Batcher;
  readonly #ledger: Ledger;
  /** For vectors of a shape; null until it was read. */
  #service: HubService | null = null;
  #shape: KeptVectorShape | null = null;
  readonly #closers: (() => Promise<unknown>)[];
  readonly #caller: HubCaller = {
    owner: OWNER,
    namespaces: null,
    canWrite: true,
    isActive: async () => false, // Keys are the service's: with the database's credentials nothing is kept from the caller.
  };

  /** Opens nothing yet. @throws {ConfigurationError} The address is malformed. */
  constructor(options: LedgerHubOptions) {
    const { postgresUrl, timeoutMs = TIMEOUT_MS, connectionsMax = CONNECTIONS_MAX, log = silentLog } = options;
    this.#options = options;
    const postgres = new PostgresPool(postgresUrl, { max: connectionsMax });
    const news = new FeedSignal(postgres, log);
    this.#postgres = postgres;
    this.#feed = new Feed({ postgres, news, callTimeoutMs: timeoutMs, log });
    this.#ledger = new Ledger(postgres, { nodeId: `edge-${options.device}`, callTimeoutMs: timeoutMs });
    this.#batcher = batcherOf(this.#ledger, log);
    // In reverse: what was accepted is settled first.
    this.#closers = [() => postgres.close(), () => news.close(), () => this.#feed.close(), () => this.#batcher.close()];
  }

  async identify(signal: AbortSignal): Promise<HubIdentity> {
    const { device, deviceName = hostname() } = this.#options;
    const request = { device, name: deviceName, protocolVersions: [...PROTOCOL_VERSIONS] };
    const wasOpen = this.#service !== null;
    return await this.#call(signal, async () => {
      if (wasOpen) await this.#readShape(signal); // The deployment may take other vectors by now.
      return await this.#open.identify(this.#caller, request, signal);
    });
  }

  async push(push: PushChanges, signal: AbortSignal): Promise<PushAnswers> {
    const { device } = this.#options;
    const bytes = Buffer.byteLength(JSON.stringify(push.changes));
    return await this.#call(signal, () => this.#open.push(this.#caller, { device, ...push, bytes }, signal));
  }

  async changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage> {
    const { device } = this.#options;
    return await this.#call(signal, () => this.#open.changesAfter(this.#caller, device, cursor, options, signal));
  }

  async close(): Promise<void> {
    await closeAll(this.#closers);
  }

  get #open(): HubService {
    if (this.#service === null) throw new InternalError("the hub is used before it was opened");
    return this.#service;
  }

  /** What the nodes' stores of vectors take: a vector that none of them would hold is refused as it is over HTTP. */
  async #readShape(signal: AbortSignal): Promise<void> {
    const timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS;
    const shape = await withDeadline(timeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, ({ sql }) => readVectorShape(sql)),
    );
    if (this.#service !== null && isDeepStrictEqual(shape, this.#shape)) return;
    this.#shape = shape;
    this.#service = this.#serviceFor(shape, timeoutMs);
  }

  #serviceFor(shape: KeptVectorShape | null, timeoutMs: number): HubService {
    const { bounds = memorySettings.parse({}), settings } = this.#options;
    const { dimension, model = null, metric } = shape ?? {};
    const validator = new MemoryValidator(
      { ...(dimension !== undefined && { dimension }), model, ...(metric != null && { metric }) },
      bounds,
    );
    const now = (): number => performance.now();
    return new HubService({
      intake: new Intake(validator, null),
      batcher: this.#batcher,
      validator,
      feed: this.#feed,
      ledger: new HubLedger(this.#postgres, timeoutMs),
      settings: hubSettings.parse(settings ?? {}),
      bounds,
      vectors: dimension === undefined ? null : { dimension, model },
      metrics: null,
      memoriesIn: recentCounts(async (namespace, signal) => {
        return (await this.#ledger.namespaceStatistics([namespace], timeoutMs, signal)).memories;
      }, now),
      now,
      run: (_name, call, work) => withDeadline(call.timeoutMs ?? timeoutMs, call.signal, work),
    });
  }

  /** Errors as every transport has them. */
  async #call<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      if (this.#service === null) {
        await withDeadline(TIMEOUT_MS, signal, async (deadline) => {
          await checkMigrated(this.#postgres, deadline);
          await refuseReplica(this.#postgres, deadline);
        });
        await this.#readShape(signal);
      }
      return await work();
    } catch (error) {
      if (error instanceof HubError) throw error;
      if (signal.aborted) throw signal.reason;
      throw new HubError(codeOf(error), `the hub's database: ${(error as Error).message}`, { cause: error });
    }
  }
}

function codeOf(error: unknown): HubErrorCode {
  if (!(error instanceof MnemosyncError)) return "INTERNAL";
  // Another version of the schema is another version of what both sides speak.
  if (error.code === "SCHEMA_TOO_NEW" || error.code === "CONFIGURATION") return "PROTOCOL_UNSUPPORTED";
  if (error.code === "VALIDATION") return "SYNC_BATCH";
  if (error.code === "STORE_REFUSED") return "FORBIDDEN"; // A wrong password, or no right to a table.
  return error.retryable ? "SYNC_CONNECTION" : "INTERNAL";
}

/** The ordinary write, with no store of its own. */
function batcherOf(ledger: Ledger, log: Log): Batcher {
  const { prepareTimeoutMs, retriesMax, retryDelayMs } = WRITE_DEFAULTS;
  const outcomes = new Outcomes([]);
  const attempt = attemptsOf({
    ledger,
    storeIds: [],
    storeVersions: storeVersionTemplates([], []),
    prepareTimeoutMs,
    inDoubtTimeoutMs: IN_DOUBT_TIMEOUT_MS,
    queuesForStores: true,
  });
  const writer = new Writer({
    attempt,
    publisher: { publish: async () => ({ stores: [], unattached: [] }) },
    outcomes,
    ledger,
    ledgerGate: new StoreGate<Probed>({ id: LEDGER_ID, health: (signal) => ledger.health(signal) }),
    gates: [],
    log,
    onStoreDown: "degrade",
    retriesMax,
    retryDelayMs,
  });
  return new Batcher(writer, outcomes);
}

/** Milliseconds to find out whether a transaction was committed whose COMMIT got no answer. */
const IN_DOUBT_TIMEOUT_MS = 30_000;
