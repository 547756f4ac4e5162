import * as z from "zod";
import { readinessSchema, statusSchema } from "../../documents/operation-documents.ts";
import { CAPABILITIES } from "../../index.ts";
import { isLoopback } from "../loopback.ts";
import { type RouteGroup, route } from "../route.ts";
import { sharedStatus } from "../shared-status.ts";
import { sendStatus } from "../status-events.ts";

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
    const { value, ageMs } = await sharedStatus(sync, identity);
    return { status: 200, body: value, headers: { age: String(Math.floor(ageMs / 1_000)) } };
  },
});

const watchStatus = route({
  method: "GET",
  path: "/v1/status/events",
  operationId: "watchStatus",
  summary:
    "The status as server-sent events, every two seconds, with what this node's figures were in the last hour; `closed` where the " +
    "service ends the stream",
  access: { scope: "read" },
  responses: {
    200: {
      description: "Events `status`; the data of each is a StatusEvent",
      schema: () => z.string(),
      mediaType: "text/event-stream",
    },
  },
  async handle(request, service) {
    await sharedStatus(service.sync, request.identity); // A failure is an answer, not an event.
    const place = service.streams.take(request);
    const { identity } = request;
    return {
      status: 200,
      stream: (response) =>
        void place.run(response, { stream: "status" }, (stream) => sendStatus(service, identity, stream)),
    };
  },
});

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
  routes: [liveness, readiness, status, watchStatus, metrics, openApi],
};
