import { type Answer, answerFlaw, type Operation } from "./document.ts";
import { type Caller as KeyHolder, secretOf, TENANTS } from "./tenants.ts";

/**
 * An answer that the document lacks, a 5xx without a reason, no answer, a secret or planted memory, `/healthz` or what watches
 * it, a crash, an operation whose handler no request reached, a replica that has not followed at the end.
 */
export const VIOLATION_KINDS = [
  ...(["undocumented", "unexplained5xx", "unanswered", "leak"] as const),
  ...(["health", "ended", "unreached", "replica"] as const),
] as const;
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

const VIOLATIONS_KEPT = 100;

/** Of what was said: seed, caller, method and path stand first. */
const TESTS_A_CONNECTOR = /^seed \d+, [\w-]+: POST \/v1\/connectors\/[^/ ]+\/test /;
const ORDERS_A_REPLICA = /^seed \d+, [\w-]+: [A-Z]+ \/v1\/replica\//;

/** What a replica's orders are answered while it has not caught up, or while its own process moves its place. */
const REPLICA_REASONS = /has not caught up|has no place yet/;

/** Holds answers against the document, and counts broken promises. */
export class Judge {
  readonly statuses: Record<string, number> = {};
  /** The first 100. */
  readonly violations: string[] = [];
  readonly violationsByKind = Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])) as Record<
    ViolationKind,
    number
  >;
  violationsTotal = 0;
  /** Answers of the service that say why it cannot serve now. */
  explained5xx = 0;
  readonly #seed: number;
  readonly #log: (line: string) => void;

  constructor(seed: number, log: (line: string) => void) {
    this.#seed = seed;
    this.#log = log;
  }

  violate(kind: ViolationKind, violation: string): void {
    this.violationsTotal++;
    this.violationsByKind[kind]++;
    this.#log(`broken: ${violation}`);
    if (this.violations.length < VIOLATIONS_KEPT) this.violations.push(violation);
  }

  /** @param said the request, for the report. */
  judge(operation: Operation | null, holder: KeyHolder | null, answer: Answer | null, said: string): void {
    const status = String(answer?.status ?? "closed");
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (answer === null) return;
    const shown = `${answer.status} ${answer.body.slice(0, 400)}: ${said}`;
    const flaw = answerFlaw(operation, answer);
    if (flaw !== null) this.violate("undocumented", `${flaw}: ${shown}`);
    if (answer.status >= 500) {
      if (isExplained(answer, said)) this.explained5xx++;
      else this.violate("unexplained5xx", `a 5xx without a reason: ${shown}`);
    }
    for (const tenant of TENANTS) {
      const isForeign = holder === null || holder.tenant !== tenant;
      if (isForeign && answer.body.includes(secretOf(tenant, this.#seed))) {
        if (holder?.tenant === null && (holder.name === "admin" || holder.name === "reader")) continue;
        this.violate("leak", `the secret of ${tenant} leaks: ${shown}`);
      }
    }
  }
}

/** By what was said, not by the operation: a mutated request is one of none, and may be the same. */
function isExplained({ status, body }: Answer, said: string): boolean {
  // The request itself named a time that did not suffice.
  if (status === 504) return said.includes('["timeoutMs",') && body.includes('"DEADLINE_EXCEEDED"');
  // The connector that stays has no service.
  if (status === 502) return TESTS_A_CONNECTOR.test(said) && body.includes('"SERVICE_FAILED"');
  if (status !== 503) return false;
  if (body.includes('"QUEUE_FULL"')) return true;
  return ORDERS_A_REPLICA.test(said) && REPLICA_REASONS.test(body);
}
