import { Random } from "../support/random.ts";
import { Caller, sayRaw } from "./call.ts";
import { type Answer, type Operation, operations } from "./document.ts";
import { type FuzzRequest, type Pools, requestOf } from "./generate.ts";
import { Judge, type ViolationKind } from "./judge.ts";
import { KnownIds } from "./known-ids.ts";
import { largeRequest } from "./large.ts";
import { Liveness, type LivenessReport } from "./liveness.ts";
import { MemoryCourse, type MemoryReading } from "./memory-course.ts";
import { mutate } from "./mutate.ts";
import { plant, plantedNow } from "./planted.ts";
import { unfollowed } from "./replica-followed.ts";
import { type FuzzStores, ServedProcess } from "./served.ts";
import { DIMENSION, type Caller as KeyHolder, makeCallers, secretOf, TENANTS } from "./tenants.ts";
import { type SendOnTour, Tour, UNREACHED } from "./tour.ts";
import { UnderWay } from "./under-way.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Requests, at most. */
  readonly requests: number;
  /** Minutes, at most. */
  readonly minutes: number;
  readonly stores: FuzzStores;
  /** Requests at a time. @default 16 */
  readonly concurrency?: number;
  /** V8's heap of the service in mebibytes. @default 1_024 */
  readonly heapMebibytes?: number;
  readonly log?: (line: string) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly requests: number;
  readonly seconds: number;
  /** Answers by status; `closed`: the connection ended without one. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Broken promises, the first 100. */
  readonly violations: readonly string[];
  readonly violationsTotal: number;
  readonly violationsByKind: Readonly<Record<ViolationKind, number>>;
  /** Answers that say why the service cannot serve now: a full queue, a request's own `timeoutMs`, a replica that is behind. */
  readonly explained5xx: number;
  /** Operations that no generated request was answered 2xx by. The tour reached them: this is a figure, no promise. */
  readonly onlyOnTour: readonly string[];
  readonly liveness: LivenessReport;
  /** The service's memory after each tenth of the requests. */
  readonly memory: readonly MemoryReading[];
}

const MUTATED_SHARE = 0.75;
const RAW_SHARE = 0.005;
/** Valid requests of about the largest size: each takes as long as hundreds of others. */
const LARGE_SHARE = 0.001;
/** Each holds the service up for as long as thousands of others: most of them are left out. */
const COSTLY = new Set(["backfillReplica", "verifyReplica"]);
const COSTLY_SHARE = 0.05;
const TOLD_EVERY_MS = 60_000;

/**
 * Sends a valid request of each operation, and then requests that are made from `docs/openapi.json`, most of them mutated, to a
 * service process with a small heap and three tenants. Promises: every answer is one that the document has, no 5xx without a reason, no answer holds another
 * tenant's secret, no tenant's planted memory changes, each operation's handler is reached, the replica is like its primary at the end, and the
 * process lives.
 */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { callers, entries } = makeCallers();
  const served = await ServedProcess.start(options.stores, entries, options.heapMebibytes ?? 1_024);
  const run = new FuzzRun(served, callers, options);
  try {
    return await run.run();
  } finally {
    await run.close();
    await served.stop();
  }
}

class FuzzRun {
  readonly #served: ServedProcess;
  readonly #callers: readonly KeyHolder[];
  readonly #admin: KeyHolder;
  readonly #options: FuzzOptions;
  readonly #caller: Caller;
  readonly #judge: Judge;
  readonly #known = new KnownIds();
  readonly #answered = new Set<string>();
  #sent = 0;
  readonly #underWay = new UnderWay();
  readonly #liveness: Liveness;
  readonly #memory: MemoryCourse;

  constructor(served: ServedProcess, callers: readonly KeyHolder[], options: FuzzOptions) {
    this.#served = served;
    this.#callers = callers;
    this.#admin = callers.find(({ name }) => name === "admin") as KeyHolder;
    this.#options = options;
    this.#caller = new Caller(served.url, options.concurrency ?? 16);
    this.#judge = new Judge(options.seed, (line) => options.log?.(line));
    this.#liveness = new Liveness(served.url, served.insight, this.#underWay, (what) => {
      if (served.ending === null) this.#judge.violate("health", what);
    });
    this.#memory = new MemoryCourse(served.insight, this.#liveness);
    served.insight.onHold(({ ms, stacks }) => options.log?.(`the event loop stood for ${ms} ms\n${stacks}`));
  }

  async close(): Promise<void> {
    this.#caller.close();
    await this.#liveness.close();
  }

  async run(): Promise<FuzzReport> {
    const { seed, requests, minutes, concurrency = 16 } = this.#options;
    const ask = this.#asAdmin.bind(this);
    for (const transactionId of await plant(ask, seed)) this.#known.add("transaction", transactionId);
    const before = await plantedNow(ask, seed);
    for (const flaw of await this.#goOnTour()) this.#judge.violate("unreached", flaw);
    const begun = performance.now();
    const deadline = begun + minutes * 60_000;
    const over = (): boolean => this.#sent >= requests || performance.now() > deadline || this.#served.ending !== null;
    const watching = this.#watch(over);
    const workers = Array.from({ length: concurrency }, async (_, worker) => {
      const random = new Random(seed * 1_000 + worker);
      while (!over()) {
        this.#sent++;
        await this.#one(random);
      }
    });
    await Promise.all([...workers, watching]);
    try {
      // First: what is read names the sides that it stands on, and the replica is one of them.
      const unlike = await unfollowed(ask);
      if (unlike !== null) this.#judge.violate("replica", unlike);
      for (const [place, found] of Object.entries(await plantedNow(ask, seed))) {
        const planted = before[place];
        if (found !== planted) this.#judge.violate("leak", `a planted memory changed: ${place}: ${planted} → ${found}`);
      }
    } catch (error) {
      if (this.#served.ending === null) this.#judge.violate("unanswered", (error as Error).message);
    }
    if (this.#served.ending !== null) this.#judge.violate("ended", `the service ended: ${this.#served.ending}`);
    const { statuses, violations, violationsTotal, violationsByKind, explained5xx } = this.#judge;
    const reachable = operations.filter(({ operationId }) => !(operationId in UNREACHED));
    return {
      seed,
      requests: this.#sent,
      seconds: Math.round((performance.now() - begun) / 1_000),
      ...{ statuses, violations, violationsTotal, violationsByKind, explained5xx },
      onlyOnTour: reachable.map(({ operationId }) => operationId).filter((id) => !this.#answered.has(id)),
      liveness: this.#liveness.report(),
      memory: this.#memory.readings,
    };
  }

  /** @returns what is wrong with it. */
  async #goOnTour(): Promise<string[]> {
    const send: SendOnTour = async (request, operation) => {
      const answer = await this.#send(request, this.#admin);
      if (answer !== null) this.#known.learn(operation, answer);
      return answer;
    };
    return await new Tour(send, this.#served, (line) => this.#options.log?.(line)).run();
  }

  /** The event loop once a second, and memory after each tenth of the requests. */
  async #watch(over: () => boolean): Promise<void> {
    const { requests } = this.#options;
    let toldAt = performance.now();
    try {
      while (!over()) {
        await this.#liveness.look();
        if (performance.now() - toldAt > TOLD_EVERY_MS) {
          toldAt = performance.now();
          this.#options.log?.(`${this.#sent} requests, ${this.#judge.violationsTotal} violations`);
        }
        if (this.#memory.isDue(this.#sent, requests)) await this.#readMemory();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      await this.#readMemory();
    } catch (error) {
      // The end of the run tells of the end of the service.
      if (this.#served.ending === null) this.#judge.violate("health", (error as Error).message);
    }
  }

  async #readMemory(): Promise<void> {
    const { rss, heapUsed } = await this.#memory.read(this.#sent);
    const figures = `${rss} MiB, ${heapUsed} of them in use in the heap`;
    this.#options.log?.(`${this.#sent} requests, ${this.#judge.violationsTotal} violations, ${figures}`);
  }

  async #one(random: Random): Promise<void> {
    if (random.next() < LARGE_SHARE) {
      await this.#send(largeRequest(random), this.#admin);
      return;
    }
    const holder = this.#pickCaller(random);
    const operation = pickOperation(random);
    const request = requestOf(operation, random, this.#poolsOf(holder, random));
    if (random.next() < MUTATED_SHARE) mutate(request, random);
    spareThePlanted(request, holder);
    if (random.next() < RAW_SHARE) return await this.#raw(request, random);
    const answer = await this.#send(request, holder);
    if (answer === null || answer.status >= 300 || request.operation === null) return;
    this.#answered.add(operation.operationId);
    this.#known.learn(operation, answer);
    // Each order to a replica that is behind waits for half a minute: it must not be paused for long.
    if (operation.operationId === "pauseReplica") {
      await this.#send(requestAs("POST", "/v1/replica/resume"), this.#admin);
    }
  }

  /** @returns null where there was none in time. */
  async #send(request: FuzzRequest, holder: KeyHolder): Promise<Answer | null> {
    const said = `seed ${this.#options.seed}, ${holder.name}: ${request.method} ${request.path.slice(0, 200)} ${JSON.stringify(request.query).slice(0, 200)} ${JSON.stringify(request.headers).slice(0, 300)} ${request.body?.slice(0, 300) ?? ""}`;
    const end = this.#underWay.begin(said, request.body?.length ?? 0);
    try {
      const answer = await this.#caller.call(request, holder.key);
      this.#judge.judge(request.operation, holder, answer, said);
      if (answer?.status === 500) await this.#tellLog(answer);
      return answer;
    } catch (error) {
      const activity = await this.#served.databaseActivity().catch(String);
      this.#judge.violate("unanswered", `${(error as Error).message}: ${said}\n    ${activity}`);
      return null;
    } finally {
      end();
    }
  }

  /** A 500 tells its reason in the log alone. */
  async #tellLog({ body }: Answer): Promise<void> {
    const id = /"instance":"([^"]+)"/.exec(body)?.[1];
    if (id !== undefined) this.#options.log?.(`the log of request ${id}: ${await this.#served.logOf(id)}`);
  }

  /** Callers without a valid key are rare: beyond five a second each of them is answered 429. */
  #pickCaller(random: Random): KeyHolder {
    const holder = random.pick(this.#callers);
    const isValid = holder.tenant !== null || holder.name === "admin" || holder.name === "reader";
    return isValid || random.next() < 0.05 ? holder : this.#pickCaller(random);
  }

  /** A request as bytes, some of them changed. */
  async #raw(request: FuzzRequest, random: Random): Promise<void> {
    const head = [`${request.method} ${request.path} HTTP/1.1`, "host: a", "connection: close"];
    for (const [name, value] of Object.entries(request.headers)) head.push(`${name}: ${value}`);
    const bytes = Buffer.from(`${head.join("\r\n")}\r\n\r\n${request.body?.slice(0, 1_000) ?? ""}`);
    for (let change = random.below(4); change > 0; change--) bytes[random.below(bytes.length)] = random.below(256);
    this.#judge.judge(null, null, await sayRaw(this.#served.url, bytes), "raw bytes");
  }

  #poolsOf({ tenant, name }: KeyHolder, random: Random): Pools {
    const common = { devices: ["tour-device", `${name}-1`, `${name}-2`], known: this.#known, dimension: DIMENSION };
    const memoryIds = ["m1", "m2", "m3", "nothing"];
    // Keys of all namespaces may write anywhere, so that their requests name no tenant.
    if (tenant === null) return { ...common, namespaces: ["default", "scratch"], memoryIds: [...memoryIds, "é"] };
    const other = random.pick(TENANTS);
    return {
      ...common,
      namespaces: [tenant, tenant, tenant, tenant, other],
      memoryIds: [...memoryIds, ...(other === tenant ? [`${secretOf(tenant, this.#options.seed)}-x`] : [])],
    };
  }

  async #asAdmin(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await this.#caller.call(requestAs(method, path, body), this.#admin.key);
    if (answer === null) throw new Error(`${method} ${path} got no answer`);
    return answer;
  }
}

/** A request of no operation: its answer is not held to one. */
function requestAs(method: string, path: string, body?: object): FuzzRequest {
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  return { operation: null, method, path, query: [], headers, body: body === undefined ? null : JSON.stringify(body) };
}

function pickOperation(random: Random): Operation {
  const operation = random.pick(operations);
  return COSTLY.has(operation.operationId) && random.next() >= COSTLY_SHARE ? pickOperation(random) : operation;
}

/** A key may erase its own namespace, the planted memories included: it only asks for what would go. */
function spareThePlanted(request: FuzzRequest, { tenant }: KeyHolder): void {
  const target = TENANTS.find((name) => request.path.startsWith(`/v1/namespaces/${name}/erase`));
  if (target === undefined || (tenant !== null && tenant !== target)) return;
  request.body = JSON.stringify({ everything: true, dryRun: true });
}
