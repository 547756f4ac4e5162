import { pollUntil } from "../../src/dev/wait.ts";
import { type Answer, type Operation, operations } from "./document.ts";
import type { FuzzRequest } from "./generate.ts";
import {
  type Asked,
  type Damage,
  type Document,
  TOUR_NAMESPACE,
  TOUR_SECTIONS,
  type TourCalls,
} from "./tour-sections.ts";

/**
 * One valid request of each operation, in the order in which each needs what others made: the handlers are reached whatever
 * the mutations hit, and ids of all kinds are known afterwards.
 */

/** Operations that the served process cannot answer well, each with its reason. */
export const UNREACHED: Readonly<Record<string, string>> = {
  startReembedding:
    "it has no embedder: embedding anew would change the planted memories. test/integration/reembed.test.ts has one",
};

/** Milliseconds within which a step succeeds, on a machine that has many other things to do. */
const STEP_MAX_MS = 120_000;
/** Answers that another request, a job or a loop of the service may cause. */
const PASSING = new Set([409, 503]);

/** Sends a request as the operator, and judges its answer; null: there was none. */
export type SendOnTour = (request: FuzzRequest, operation: Operation) => Promise<Answer | null>;

export class Tour implements TourCalls {
  readonly damage: Damage;
  readonly #send: SendOnTour;
  readonly #log: (line: string) => void;
  readonly #answered = new Set<string>();
  #session = "";

  constructor(send: SendOnTour, damage: Damage, log: (line: string) => void) {
    this.#send = send;
    this.damage = damage;
    this.#log = log;
  }

  /** @returns what is wrong: operations that were not answered 2xx, and why. */
  async run(): Promise<string[]> {
    const flaws: string[] = [];
    for (const [name, section] of Object.entries(TOUR_SECTIONS)) {
      const begun = performance.now();
      // One section that fails does not sink the others.
      await section(this).catch((error: unknown) => flaws.push(`the tour of ${name}: ${String(error)}`));
      this.#log(`the tour of ${name}: ${Math.round(performance.now() - begun)} ms`);
    }
    for (const { operationId } of operations) {
      const isExempt = operationId in UNREACHED;
      if (this.#answered.has(operationId) === isExempt) {
        flaws.push(`${operationId} was ${isExempt ? "answered 2xx, and is exempt" : "never answered 2xx on the tour"}`);
      }
    }
    return flaws;
  }

  // Sections take these three out of their object.
  readonly session: TourCalls["session"] = () => this.#session;

  readonly call: TourCalls["call"] = (operationId, asked = {}) => this.until(operationId, asked, () => true);

  readonly until: TourCalls["until"] = async (operationId, asked, holds) => {
    const operation = operations.find((candidate) => candidate.operationId === operationId);
    if (operation === undefined) throw new Error(`the document has no operation ${operationId}`);
    let found: Document = {};
    let told = "";
    try {
      await pollUntil(operationId, STEP_MAX_MS, async () => {
        const answer = await this.#send(requestOf(operation, asked), operation);
        const status = answer?.status ?? 0;
        told = `${operationId} was answered ${status} ${answer?.body.slice(0, 300) ?? ""}`;
        if (answer === null || status >= 300) {
          if (PASSING.has(status)) return false;
          throw new Error(told);
        }
        this.#answered.add(operationId);
        this.#session = answer.session ?? this.#session;
        found = /[/+]json\b/.test(answer.type) && !answer.cut ? JSON.parse(answer.body) : {};
        return holds(found);
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; last: ${told}`);
    }
    return found;
  };
}

function requestOf(operation: Operation, { params = {}, query = [], headers = {}, body }: Asked): FuzzRequest {
  const values: Readonly<Record<string, string>> = { namespace: TOUR_NAMESPACE, memoryId: "t1", ...params };
  const [mediaType] = Object.keys(operation.requestBody?.content ?? {});
  return {
    operation,
    method: operation.method,
    path: operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? "")),
    query: query.map(([name, value]) => [name, value]),
    headers: { ...headers, ...(mediaType !== undefined && body !== undefined && { "content-type": mediaType }) },
    body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
  };
}
