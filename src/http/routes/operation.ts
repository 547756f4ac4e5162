import * as z from "zod";
import { readinessSchema, statusSchema } from "../../documents/operation-documents.ts";
import { CAPABILITIES, type MemorySynchronizer, type Status } from "../../index.ts";
import { isOperator } from "../keys.ts";
import { isLoopback } from "../loopback.ts";
import { type RouteGroup, route } from "../route.ts";
import { type Aged, SharedReading } from "../shared-reading.ts";

const NOTHING = { read: false, write: false, search: false };

const liveness = route({
  method: "GET",
  path: "/healthz",
  operationId: "getLiveness",
  summary: "Whether the process works. An unavailable store is no reason to restart it",
  access: "public",
  responses: { 200: { description: "The process works", schema: () => z.object({ alive: z.literal(true) }) } },
  async handle() {
    return { status: 200, body: { alive: true } };
  },
});

const readiness = route({
  method: "GET",
  path: "/readyz",
  operationId: "getReadiness",
  summary:
    "Whether to send requests here: connected, not stopping, and has the capability that `require` names. Without Postgres reads " +
    "continue, so only writers should require `write`",
  access: "public",
  query: () =>
    z.object({
      require: z.enum(CAPABILITIES).default("read").describe("The capability that a 200 needs, in addition to reading"),
    }),
  responses: {
    200: { description: "Ready; the body lists the capabilities", schema: readinessSchema },
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
  summary:
    "State and size of each store, and the backlog. A shared reading, at most some seconds old: see Age. A key that is bound " +
    "to namespaces sees the figures of these; reasons and services are for admin keys of all namespaces",
  access: { scope: "read" },
  responses: {
    200: {
      description: "The status; an unavailable store is reported as down",
      schema: statusSchema,
      headers: { Age: "Seconds since the reading: callers share it, and do not wait for the next one" },
    },
  },
  async handle({ identity }, { sync }) {
    const { value, ageMs } = await sharedStatus(sync, identity.namespaces);
    const body = isOperator(identity) ? value : withoutReasons(value);
    return { status: 200, body, headers: { age: String(Math.floor(ageMs / 1_000)) } };
  },
});

/** Reasons come from drivers: they name hosts, users and folders. */
function withoutReasons(status: Status): Status {
  const stores = Object.entries(status.stores).map(([id, { state, memories }]) => [id, { state, memories }]);
  return { ...status, stores: Object.fromEntries(stores), services: {} };
}

/** Readings that are kept: one for all namespaces, and one for each set of namespaces that keys are bound to. */
const READINGS_MAX = 1_000;

const statuses = new WeakMap<MemorySynchronizer, Map<string, SharedReading<Status>>>();

/** Counting takes time in every store, so concurrent callers share one reading. @param bound null: of all namespaces. */
function sharedStatus(sync: MemorySynchronizer, bound: ReadonlySet<string> | null): Promise<Aged<Status>> {
  const readings = statuses.get(sync) ?? new Map<string, SharedReading<Status>>();
  statuses.set(sync, readings);
  const namespaces = bound === null ? undefined : [...bound].sort();
  const name = namespaces?.join(" ") ?? "*"; // No namespace contains these characters.
  let reading = readings.get(name);
  if (reading === undefined) {
    reading = new SharedReading(() => sync.status({ timeoutMs: 10_000, namespaces }));
    const oldest = readings.size >= READINGS_MAX ? readings.keys().next().value : undefined;
    if (oldest !== undefined) readings.delete(oldest);
    readings.set(name, reading);
  }
  return reading.get();
}

const metrics = route({
  method: "GET",
  path: "/metrics",
  operationId: "getMetrics",
  summary: "Metrics in the text format of Prometheus",
  access: ({ host, metricsAuthentication = !isLoopback(host) }) =>
    metricsAuthentication ? { scope: "read", everywhere: true } : "public",
  responses: { 200: { description: "Metrics", schema: () => z.string(), mediaType: "text/plain" } },
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
  responses: { 200: { description: "OpenAPI 3.1", schema: () => z.looseObject({}) } },
  async handle(_request, service) {
    return { status: 200, text: await service.openApi(), headers: { "content-type": "application/json" } };
  },
});

/** What a process answers that is there for its background work. */
export const probeGroup: RouteGroup = { tag: "operation", routes: [liveness, readiness, metrics] };

export const operationGroup: RouteGroup = {
  tag: "operation",
  description: "State of the service and its stores",
  routes: [liveness, readiness, status, metrics, openApi],
};
