import { z } from "zod";
import type { MemorySynchronizer, Status } from "../../index.ts";
import { type Route, route } from "../route.ts";
import { readinessSchema, statusSchema } from "../schemas.ts";

const liveness = route({
  method: "GET",
  path: "/healthz",
  operationId: "getLiveness",
  summary: "Whether the process works at all. A store that is away is no reason to restart it",
  tag: "operation",
  access: "public",
  responses: { 200: { description: "It does", schema: z.object({ alive: z.literal(true) }) } },
  async handle() {
    return { status: 200, body: { alive: true } };
  },
});

const readiness = route({
  method: "GET",
  path: "/readyz",
  operationId: "getReadiness",
  summary: "Whether requests should be sent here: connected, Postgres is up, not stopping",
  tag: "operation",
  access: "public",
  responses: {
    200: { description: "Ready; Redis or the index may be degraded", schema: readinessSchema },
    503: { description: "Not ready", schema: readinessSchema },
  },
  async handle(_request, service) {
    if (service.notReady !== null) {
      return { status: 503, body: { ready: false, reason: service.notReady, stores: {} } };
    }
    const health = service.sync.health();
    const down = health.postgres?.state === "down" && health.postgres.checks > 0;
    // Reasons may name hosts: whoever has no key is told the states only.
    const stores = Object.fromEntries(
      Object.entries(health).map(([store, report]) => [store, { state: report.state, reason: null }]),
    );
    const reason = down ? "Postgres is down" : null;
    return { status: down ? 503 : 200, body: { ready: !down, reason, stores } };
  },
});

const status = route({
  method: "GET",
  path: "/v1/status",
  operationId: "getStatus",
  summary: "How each store is, what it holds, and what is not published yet",
  tag: "operation",
  access: { scope: "read" },
  responses: { 200: { description: "A store that is away is reported as such", schema: statusSchema } },
  async handle(_request, { sync }) {
    return { status: 200, body: await sharedStatus(sync) };
  },
});

/** Milliseconds for which callers share one answer: it counts, and however many ask, the stores count once. */
const STATUS_FRESH_MS = 500;
const statuses = new WeakMap<MemorySynchronizer, { readonly askedAt: number; readonly answer: Promise<Status> }>();

function sharedStatus(sync: MemorySynchronizer): Promise<Status> {
  const last = statuses.get(sync);
  if (last !== undefined && performance.now() - last.askedAt < STATUS_FRESH_MS) return last.answer;
  const answer = sync.status({ timeoutMs: 10_000 });
  statuses.set(sync, { askedAt: performance.now(), answer });
  answer.catch(() => statuses.delete(sync)); // A failure is not shared beyond those who waited for it.
  return answer;
}

export const operationRoutes: readonly Route[] = [liveness, readiness, status];
