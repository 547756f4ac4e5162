import { z } from "zod";
import { CAPABILITIES, type MemorySynchronizer, type Status } from "../../index.ts";
import { type Route, route } from "../route.ts";
import { readinessSchema, statusSchema } from "../schemas.ts";
import { type Aged, SharedReading } from "../shared-reading.ts";

const NOTHING = { read: false, write: false, search: false };

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
  summary:
    "Whether requests should be sent here: connected, not stopping, and able to do what is required. With Postgres " +
    "away reads go on, so that only writers should ask for `write`",
  tag: "operation",
  access: "public",
  query: z.object({
    require: z.enum(CAPABILITIES).default("read").describe("What must be possible for a 200, besides reading"),
  }),
  responses: {
    200: { description: "Ready; what else cannot be done is in the body", schema: readinessSchema },
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
    // Reasons may name hosts: whoever has no key is told the states only.
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
  summary: "How each store is, what it holds, and what is not published yet, some seconds ago at most: see Age",
  tag: "operation",
  access: { scope: "read" },
  responses: {
    200: {
      description: "A store that is away is reported as such",
      schema: statusSchema,
      headers: { Age: "Seconds since it was read: callers share a reading, and do not wait for the next one" },
    },
  },
  async handle(_request, { sync }) {
    const { value, ageMs } = await sharedStatus(sync);
    return { status: 200, body: value, headers: { age: String(Math.floor(ageMs / 1_000)) } };
  },
});

const statuses = new WeakMap<MemorySynchronizer, SharedReading<Status>>();

/** Counting takes time in every store: however many ask, it is done once. */
function sharedStatus(sync: MemorySynchronizer): Promise<Aged<Status>> {
  let reading = statuses.get(sync);
  if (reading === undefined) {
    reading = new SharedReading(() => sync.status({ timeoutMs: 10_000 }));
    statuses.set(sync, reading);
  }
  return reading.get();
}

export const operationRoutes: readonly Route[] = [liveness, readiness, status];
