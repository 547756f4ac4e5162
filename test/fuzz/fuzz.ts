import { Random } from "../support/random.ts";
import { Caller, sayRaw } from "./call.ts";
import { type Answer, answerFlaw, type Operation, operations } from "./document.ts";
import { type FuzzRequest, type Pools, requestOf } from "./generate.ts";
import { largeRequest } from "./large.ts";
import { Liveness, type LivenessReport } from "./liveness.ts";
import { MemoryCourse, type MemoryReading } from "./memory-course.ts";
import { mutate } from "./mutate.ts";
import { type FuzzStores, ServedProcess } from "./served.ts";
import {
  DIMENSION,
  type Caller as KeyHolder,
  makeCallers,
  plantedMemories,
  secretOf,
  TENANTS,
  type Tenant,
} from "./tenants.ts";
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
  /** Answers of the service that say why it cannot serve now: 503 with `QUEUE_FULL`, and 504 after a request's own `timeoutMs`. */
  readonly explained5xx: number;
  /** Operations that answered with each class of status at least once. */
  readonly operationsAnswered2xx: number;
  readonly liveness: LivenessReport;
  /** The service's memory after each tenth of the requests. */
  readonly memory: readonly MemoryReading[];
}

/** An answer that the document lacks, a 5xx without a reason, no answer, a secret or planted memory, `/healthz`, a crash. */
export const VIOLATION_KINDS = ["undocumented", "unexplained5xx", "unanswered", "leak", "health", "ended"] as const;
type ViolationKind = (typeof VIOLATION_KINDS)[number];

const VIOLATIONS_KEPT = 100;
const MUTATED_SHARE = 0.75;
const RAW_SHARE = 0.005;
/** Valid requests of about the largest size: each takes as long as hundreds of others. */
const LARGE_SHARE = 0.001;
const UNKNOWN_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/**
 * Sends requests that are made from `docs/openapi.json`, most of them mutated, to a service process with a small heap and
 * three tenants. Promises: every answer is one that the document has, no 5xx without a reason, no answer holds another
 * tenant's secret, no tenant's planted memory changes, and the process lives.
 */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { callers, entries, admin } = makeCallers();
  const served = await ServedProcess.start(options.stores, entries, options.heapMebibytes ?? 1_024);
  const run = new FuzzRun(served, callers, admin, options);
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
  readonly #admin: string;
  readonly #options: FuzzOptions;
  readonly #caller: Caller;
  readonly #statuses: Record<string, number> = {};
  readonly #violations: string[] = [];
  readonly #answered = new Set<string>();
  /** Ids of each tenant's transactions: the others know them too, and must learn nothing by them. */
  readonly #transactions: string[] = [];
  readonly #violationsByKind = Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])) as Record<
    ViolationKind,
    number
  >;
  #violationsTotal = 0;
  #explained = 0;
  #sent = 0;
  readonly #underWay = new UnderWay();
  readonly #liveness: Liveness;
  readonly #memory: MemoryCourse;

  constructor(served: ServedProcess, callers: readonly KeyHolder[], admin: string, options: FuzzOptions) {
    this.#served = served;
    this.#callers = callers;
    this.#admin = admin;
    this.#options = options;
    this.#caller = new Caller(served.url, options.concurrency ?? 16);
    this.#liveness = new Liveness(served.url, served.insight, this.#underWay, (status) => {
      if (served.ending === null) this.#violate("health", `/healthz answered ${status === 0 ? "nothing" : status}`);
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
    const begun = performance.now();
    const deadline = begun + minutes * 60_000;
    await this.#plant();
    const before = await this.#plantedNow();
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
    if (this.#served.ending === null) {
      const after = await this.#plantedNow();
      for (const [place, found] of Object.entries(after)) {
        if (found !== before[place]) this.#violate("leak", `a planted memory changed: ${place}`);
      }
    } else this.#violate("ended", `the service ended: ${this.#served.ending}`);
    return {
      seed,
      requests: this.#sent,
      seconds: Math.round((performance.now() - begun) / 1_000),
      statuses: this.#statuses,
      violations: this.#violations,
      violationsTotal: this.#violationsTotal,
      violationsByKind: this.#violationsByKind,
      explained5xx: this.#explained,
      operationsAnswered2xx: this.#answered.size,
      liveness: this.#liveness.report(),
      memory: this.#memory.readings,
    };
  }

  /** The event loop once a second, and memory after each tenth of the requests. */
  async #watch(over: () => boolean): Promise<void> {
    const { requests } = this.#options;
    try {
      while (!over()) {
        await this.#liveness.look();
        if (this.#memory.isDue(this.#sent, requests)) await this.#readMemory();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      await this.#readMemory();
    } catch (error) {
      if (this.#served.ending === null) throw error; // The end of the run tells of it.
    }
  }

  async #readMemory(): Promise<void> {
    const { rss, heapUsed } = await this.#memory.read(this.#sent);
    const figures = `${rss} MiB, ${heapUsed} of them in use in the heap`;
    this.#options.log?.(`${this.#sent} requests, ${this.#violationsTotal} violations, ${figures}`);
  }

  async #one(random: Random): Promise<void> {
    if (random.next() < LARGE_SHARE) {
      const admin = this.#callers.find(({ name }) => name === "admin") as KeyHolder;
      const request = largeRequest(random);
      return await this.#send(request, admin, request.operation);
    }
    const holder = this.#pickCaller(random);
    const operation = random.pick(operations);
    const request = requestOf(operation, random, this.#poolsOf(holder, random));
    if (random.next() < MUTATED_SHARE) mutate(request, random);
    spareThePlanted(request, holder);
    if (random.next() < RAW_SHARE) await this.#raw(request, random);
    else await this.#send(request, holder, operation);
  }

  /** @param operation that the request was made of, before it was mutated. */
  async #send(request: FuzzRequest, holder: KeyHolder, operation: Operation | null): Promise<void> {
    const said = `seed ${this.#options.seed}, ${holder.name}: ${request.method} ${request.path.slice(0, 200)} ${JSON.stringify(request.query).slice(0, 200)} ${JSON.stringify(request.headers).slice(0, 300)} ${request.body?.slice(0, 300) ?? ""}`;
    let answer: Answer | null;
    const end = this.#underWay.begin(said, request.body?.length ?? 0);
    try {
      answer = await this.#caller.call(request, holder.key);
    } catch (error) {
      const activity = await this.#served.databaseActivity().catch(String);
      this.#violate("unanswered", `${(error as Error).message}: ${said}\n    ${activity}`);
      return;
    } finally {
      end();
    }
    this.#judge(request.operation, holder, answer, said);
    if (operation !== null && answer !== null && answer.status < 300) this.#answered.add(operation.operationId);
  }

  /** Callers without a valid key are rare: beyond five a second each of them is answered 429. */
  #pickCaller(random: Random): KeyHolder {
    const holder = random.pick(this.#callers);
    const isValid = holder.tenant !== null || holder.name === "admin" || holder.name === "reader";
    return isValid || random.next() < 0.05 ? holder : this.#pickCaller(random);
  }

  #judge(operation: Operation | null, holder: KeyHolder | null, answer: Answer | null, said: string): void {
    const status = String(answer?.status ?? "closed");
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    if (answer === null) return;
    const shown = `${answer.status} ${answer.body.slice(0, 400)}: ${said}`;
    const flaw = answerFlaw(operation, answer);
    if (flaw !== null) this.#violate("undocumented", `${flaw}: ${shown}`);
    if (answer.status >= 500) {
      const isFull = answer.status === 503 && answer.body.includes('"QUEUE_FULL"');
      // The request itself named a time that did not suffice.
      const isLate =
        answer.status === 504 && said.includes('["timeoutMs",') && answer.body.includes('"DEADLINE_EXCEEDED"');
      if (isFull || isLate) this.#explained++;
      else this.#violate("unexplained5xx", `a 5xx without a reason: ${shown}`);
    }
    for (const tenant of TENANTS) {
      const isForeign = holder === null || holder.tenant !== tenant;
      if (isForeign && answer.body.includes(secretOf(tenant, this.#options.seed))) {
        if (holder?.tenant === null && (holder.name === "admin" || holder.name === "reader")) continue;
        this.#violate("leak", `the secret of ${tenant} leaks: ${shown}`);
      }
    }
  }

  /** A request as bytes, some of them changed. */
  async #raw(request: FuzzRequest, random: Random): Promise<void> {
    const head = [`${request.method} ${request.path} HTTP/1.1`, "host: a", "connection: close"];
    for (const [name, value] of Object.entries(request.headers)) head.push(`${name}: ${value}`);
    const bytes = Buffer.from(`${head.join("\r\n")}\r\n\r\n${request.body?.slice(0, 1_000) ?? ""}`);
    for (let change = random.below(4); change > 0; change--) bytes[random.below(bytes.length)] = random.below(256);
    this.#judge(null, null, await sayRaw(this.#served.url, bytes), "raw bytes");
  }

  #poolsOf({ tenant }: KeyHolder, random: Random): Pools {
    const { seed } = this.#options;
    // Keys of all namespaces may write anywhere, so that their requests name no tenant.
    if (tenant === null) {
      const memoryIds = ["m1", "m2", "m3", "nothing", "é"];
      return { namespaces: ["default", "scratch"], memoryIds, transactionIds: [UNKNOWN_ULID], dimension: DIMENSION };
    }
    const other = random.pick(TENANTS);
    return {
      namespaces: [tenant, tenant, tenant, tenant, other],
      memoryIds: ["m1", "m2", "m3", "nothing", ...(other === tenant ? [`${secretOf(tenant, seed)}-x`] : [])],
      transactionIds: [UNKNOWN_ULID, ...this.#transactions],
      dimension: DIMENSION,
    };
  }

  async #plant(): Promise<void> {
    for (const tenant of TENANTS) {
      const memories = plantedMemories(tenant, this.#options.seed);
      const answer = await this.#asAdmin("POST", `/v1/namespaces/${tenant}/batch`, { memories });
      const { outcomes } = JSON.parse(answer.body) as { outcomes: { status: string; transactionId: string }[] };
      if (outcomes.some(({ status }) => status !== "synced")) throw new Error(`planting failed: ${answer.body}`);
      const own = await this.#asAdmin("PUT", `/v1/namespaces/${tenant}/memories/m1`, {
        content: secretOf(tenant, this.#options.seed),
        memoryType: "episodic",
      });
      const { transactionId } = JSON.parse(own.body) as { transactionId: string };
      this.#transactions.push(transactionId);
    }
  }

  /** The planted memories as they stand, by namespace and id. */
  async #plantedNow(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const tenant of TENANTS) {
      for (let number = 0; number < plantedMemories(tenant, this.#options.seed).length; number++) {
        const path = `/v1/namespaces/${tenant}/memories/${secretOf(tenant, this.#options.seed)}-${number}`;
        const { status, body } = await this.#asAdmin("GET", `${path}?embedding=true`);
        found[path] = status === 200 ? body.replace(/"source":"\w+"/, "") : String(status);
      }
    }
    return found;
  }

  async #asAdmin(method: string, path: string, body?: object): Promise<Answer> {
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    const request = {
      operation: null,
      method,
      path,
      query: [],
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    };
    const answer = await this.#caller.call(request as FuzzRequest, this.#admin);
    if (answer === null) throw new Error(`${method} ${path} got no answer`);
    return answer;
  }

  #violate(kind: ViolationKind, violation: string): void {
    this.#violationsTotal++;
    this.#violationsByKind[kind]++;
    this.#options.log?.(`broken: ${violation}`);
    if (this.#violations.length < VIOLATIONS_KEPT) this.#violations.push(violation);
  }
}

/** A key may erase its own namespace, the planted memories included: it only asks for what would go. */
function spareThePlanted(request: FuzzRequest, { tenant }: KeyHolder): void {
  const target = TENANTS.find((name) => request.path.startsWith(`/v1/namespaces/${name}/erase`));
  if (target === undefined || (tenant !== null && tenant !== target)) return;
  request.body = JSON.stringify({ everything: true, dryRun: true });
}

export type { Tenant };
