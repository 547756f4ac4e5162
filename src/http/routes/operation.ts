import { z } from "zod";
import { readinessSchema, statusSchema } from "../../documents/operation-documents.ts";
import { CAPABILITIES, type MemorySynchronizer, type Status } from "../../index.ts";
import { type RouteGroup, route } from "../route.ts";
import { type Aged, SharedReading } from "../shared-reading.ts";

const NOTHING = { read: false, write: false, search: false };

const liveness = route({
  method: "GET",
  path: "/healthz",
  operationId: "getLiveness",
  summary: "Whether the process works. An unavailable store is no reason to restart it",
  access: "public",
  responses: { 200: { description: "The process works", schema: z.object({ alive: z.literal(true) }) } },
  async handle() {
    return { status: 200, body: { alive: true } };
  },
});

const readiness = route({
  method: "GET",
  path: "/readyz",
  operationId: "getReadiness",
  summary:
    "Whether to send requests here: connected, not stopping, and able to do what `require` names. Without Postgres reads " +
    "continue, so only writers should require `write`",
  access: "public",
  query: z.object({
    require: z.enum(CAPABILITIES).default("read").describe("What must be possible for a 200, in addition to reading"),
  }),
  responses: {
    200: { description: "Ready; the body tells what else is not possible", schema: readinessSchema },
    503: { description: "Not ready", schema: readinessSchema },
  },
  async handle({ query }, service) {
    if (service.notReady !== null) {
      const body = { ready: false, degraded: true, reason: service.notReady, capabilities: NOTHING, stores: {} };
      return { status: 503, body };
    }
    const health = service.sync.health();
    const capabilities = service.sync.capabilities();
    const ready = capabilities.read && capabilities[query.require];
    const unhealthy = Object.values(health).some((report) => report.checks > 0 && report.state !== "healthy");
    // Reasons may name hosts, and this route needs no key: show states only.
    const stores = Object.fromEntries(
      Object.entries(health).map(([store, report]) => [store, { state: report.state, reason: null }]),
    );
    const reason = ready ? null : `${capabilities.read ? query.require : "read"} is not possible: see stores`;
    const degraded = !ready || unhealthy;
    return { status: ready ? 200 : 503, body: { ready, degraded, reason, capabilities, stores } };
  },
});

const status = route({
  method: "GET",
  path: "/v1/status",
  operationId: "getStatus",
  summary: "State and size of each store, and the backlog. A shared reading, at most some seconds old: see Age",
  access: { scope: "read" },
  responses: {
    200: {
      description: "The status; an unavailable store is reported as down",
      schema: statusSchema,
      headers: { Age: "Seconds since the reading: callers share it, and do not wait for the next one" },
    },
  },
  async handle(_request, { sync }) {
    const { value, ageMs } = await sharedStatus(sync);
    return { status: 200, body: value, headers: { age: String(Math.floor(ageMs / 1_000)) } };
  },
});

const statuses = new WeakMap<MemorySynchronizer, SharedReading<Status>>();

/** Counting takes time in every store, so concurrent callers share one reading. */
function sharedStatus(sync: MemorySynchronizer): Promise<Aged<Status>> {
  let reading = statuses.get(sync);
  if (reading === undefined) {
    reading = new SharedReading(() => sync.status({ timeoutMs: 10_000 }));
    statuses.set(sync, reading);
  }
  return reading.get();
}

const metrics = route({
  method: "GET",
  path: "/metrics",
  operationId: "getMetrics",
  summary: "Metrics in the text format of Prometheus",
  access: ({ metricsAuthentication }) => (metricsAuthentication ? { scope: "read", everywhere: true } : "public"),
  responses: { 200: { description: "Metrics", schema: z.string(), mediaType: "text/plain" } },
  async handle(_request, { sync }) {
    const { metrics } = sync;
    return { status: 200, text: await metrics.text(), headers: { "content-type": metrics.contentType } };
  },
});

const openApi = route({
  method: "GET",
  path: "/openapi.json",
  operationId: "getOpenApi",
  summary: "This document",
  access: "public",
  responses: { 200: { description: "OpenAPI 3.1", schema: z.looseObject({}) } },
  async handle(_request, service) {
    return { status: 200, text: await service.openApi(), headers: { "content-type": "application/json" } };
  },
});

export const operationGroup: RouteGroup = {
  tag: "operation",
  description: "State of the service and its stores",
  routes: [liveness, readiness, status, metrics, openApi],
};
