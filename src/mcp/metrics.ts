import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { CALL_SECONDS, METRIC_PREFIX } from "../runtime/metric-base.ts";
import type { Failure } from "./failure.ts";
import { TOOLS } from "./tools.ts";

/** `begun`; `refused`: there was no room; `replaced`: by a newer one of its key; `idle`: it was idle for too long. */
export const SESSION_EVENTS = ["begun", "refused", "replaced", "idle"] as const;
export type SessionEvent = (typeof SESSION_EVENTS)[number];

/** `refused`: the caller's mistake or limit; `failed`: a store, a deadline or a defect; `cancelled`: nobody waits for it any more. */
export const CALL_OUTCOMES = ["ok", "refused", "failed", "cancelled"] as const;
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

const RESOURCE_CALLS = ["resources/list", "resources/read", "resources/subscribe"] as const;
/** Stands for all tools that there are not: a client may name any. */
const NO_TOOL = "unknown";

/** A check may take minutes. */
const SECONDS = [...CALL_SECONDS, 300, 600];

interface Sessions {
  readonly size: number;
}

/** What sessions and connections of MCP do on one synchronizer, for its registry. */
export class McpMetrics {
  readonly #sessions;
  readonly #calls;
  readonly #seconds;
  readonly #open = new Set<Sessions>();
  readonly #names: ReadonlySet<string>;

  constructor(registry: Registry) {
    const registers = [registry];
    const open = this.#open;
    new Gauge({
      name: `${METRIC_PREFIX}mcp_sessions_open`,
      help: "MCP sessions of clients over HTTP",
      registers,
      collect() {
        let sum = 0;
        for (const { size } of open) sum += size;
        this.set(sum);
      },
    });
    this.#sessions = new Counter({
      name: `${METRIC_PREFIX}mcp_sessions_total`,
      help: "MCP sessions over HTTP that began, were refused, or were ended by the service",
      labelNames: ["event"],
      registers,
    });
    this.#calls = new Counter({
      name: `${METRIC_PREFIX}mcp_calls_total`,
      help: "Calls of MCP tools and resources",
      labelNames: ["call", "outcome"],
      registers,
    });
    this.#seconds = new Histogram({
      name: `${METRIC_PREFIX}mcp_call_duration_seconds`,
      help: "Duration of calls of MCP tools and resources",
      labelNames: ["call"],
      buckets: SECONDS,
      registers,
    });
    const names = [...TOOLS.map(({ name }) => name), ...RESOURCE_CALLS, NO_TOOL];
    this.#names = new Set(names);
    for (const event of SESSION_EVENTS) this.#sessions.inc({ event }, 0);
    for (const call of names) for (const outcome of CALL_OUTCOMES) this.#calls.inc({ call, outcome }, 0);
  }

  /** Counts these sessions as open. @returns ends it. */
  show(sessions: Sessions): () => void {
    this.#open.add(sessions);
    return () => void this.#open.delete(sessions);
  }

  noteSession(event: SessionEvent): void {
    this.#sessions.inc({ event });
  }

  /**
   * Times a call from now on.
   * @param signal of the call: whether its caller gave it up. @returns to be told once how it ended; null: well.
   */
  count(name: string, signal: AbortSignal): (failure: Failure | null) => void {
    const call = this.#names.has(name) ? name : NO_TOOL;
    const startedAt = performance.now();
    return (failure) => {
      this.#calls.inc({ call, outcome: failure === null ? "ok" : outcomeOf(failure, signal.aborted) });
      this.#seconds.observe({ call }, (performance.now() - startedAt) / 1_000);
    };
  }
}

const made = new WeakMap<Registry, McpMetrics>();

/** The metrics of a registry: connections and services that share a synchronizer share them, since it takes each name once. */
export function mcpMetricsOf(registry: Registry): McpMetrics {
  const metrics = made.get(registry) ?? new McpMetrics(registry);
  made.set(registry, metrics);
  return metrics;
}

/** Codes of failures that are the caller's, though the same call may succeed later. */
const REFUSALS: ReadonlySet<string> = new Set(["TOO_MANY_CALLS", "ANSWER_TOO_LARGE"]);
/** Codes of failures that are ours, though a repeat is no cure. */
const FAILURES: ReadonlySet<string> = new Set([
  "INTERNAL",
  "STORE_REFUSED",
  "STORE_FOREIGN",
  "COMMIT_OUTCOME_UNKNOWN",
  "EMBEDDING_FAILED",
  "SCHEMA_TOO_NEW",
  "EPOCH_CHANGED",
  "CLOSED",
]);

/** @param isGivenUp whether the signal of the call had fired. */
export function outcomeOf({ code, retryable }: Pick<Failure, "code" | "retryable">, isGivenUp: boolean): CallOutcome {
  if (code === "ABORTED" || (isGivenUp && code !== "DEADLINE_EXCEEDED")) return "cancelled";
  if (REFUSALS.has(code)) return "refused";
  return retryable || FAILURES.has(code) ? "failed" : "refused";
}
