import * as z from "zod";
import { deviceDocumentSchema, devicesSchema } from "../../documents/device-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import type { HubCaller } from "../../hub/caller.ts";
import { deviceSchema } from "../../hub/protocol/change-key.ts";
import { CURSOR_LENGTH_MAX, changesPageSchema, PAGE_CHANGES_MAX, WAIT_MS_MAX } from "../../hub/protocol/changes.ts";
import { HUB_PATHS, hubIdentitySchema, identifySchema } from "../../hub/protocol/identity.ts";
import { pushAnswersSchema, pushSchema } from "../../hub/protocol/push.ts";
import { whileHeld } from "../held-request.ts";
import { hasScope, type Identity } from "../keys.ts";
import { PUSH_LIMITS } from "../limits.ts";
import { NAMESPACES_MAX } from "../namespaces-of.ts";
import { count, namespaceName } from "../requests.ts";
import { OPERATOR, type RouteGroup, route, type Service } from "../route.ts";

function callerOf(identity: Identity, service: Service): HubCaller {
  const { owner, namespaces } = identity;
  return {
    owner,
    namespaces,
    canWrite: hasScope(identity, "write"),
    isActive: (other) => service.isActiveOwner(other),
  };
}

const refusals = {
  403: { description: "The device is revoked, or another owner's; or the key lacks the right" },
} as const;
const resync = {
  description: "RESYNC_REQUIRED: the ledger went back, or deletions were forgotten; read everything anew",
};

const identify = route({
  method: "POST",
  path: HUB_PATHS.identify,
  operationId: "identifyDevice",
  summary: "Settle the protocol's version and its limits, and make the device known. docs/hub.md has the protocol",
  access: { scope: "read" },
  body: identifySchema,
  compresses: true,
  responses: { 200: { description: "The hub", schema: hubIdentitySchema }, ...refusals },
  async handle({ body, identity, signal }, service) {
    return { status: 200, body: await service.sync.hub.identify(callerOf(identity, service), body, signal) };
  },
});

const push = route({
  method: "POST",
  path: HUB_PATHS.push,
  operationId: "pushChanges",
  summary:
    "Apply the changes of a device, each exactly once by its key: answers in order. One that is at fault does not sink the others. " +
    "The body may be compressed (`Content-Encoding: gzip`)",
  access: { scope: "write" },
  body: pushSchema,
  bodyLimits: PUSH_LIMITS,
  compresses: true,
  responses: {
    200: { description: "One answer per change", schema: pushAnswersSchema },
    ...refusals,
    410: resync,
  },
  async handle({ body, bodyBytes, identity, signal }, service) {
    const received = { ...body, bytes: bodyBytes };
    return { status: 200, body: await service.sync.hub.push(callerOf(identity, service), received, signal) };
  },
});

const changes = route({
  method: "GET",
  path: HUB_PATHS.changes,
  operationId: "readHubChanges",
  summary: "The changes behind a device's cursor: of each memory the latest version, with the device that wrote it",
  access: { scope: "read" },
  compresses: true,
  query: () =>
    z.object({
      device: deviceSchema(),
      cursor: z.string().max(CURSOR_LENGTH_MAX).optional().describe("Where to go on; by default at the start"),
      limit: count(1, PAGE_CHANGES_MAX, 100).describe("Changes at most; fewer where they are large"),
      waitMs: count(0, WAIT_MS_MAX, 0).describe("Milliseconds to wait for a first change"),
      namespace: z
        .union([namespaceName(), z.array(namespaceName()).min(1).max(NAMESPACES_MAX)])
        .optional()
        .describe("Only these of the key's namespaces; may be repeated"),
    }),
  responses: { 200: { description: "The page", schema: changesPageSchema }, ...refusals, 410: resync },
  async handle(request, service) {
    const { device, cursor = null, limit, waitMs, namespace } = request.query;
    const namespaces = namespace === undefined ? null : [namespace].flat();
    const page = await whileHeld(request, service, waitMs, (signal) =>
      service.sync.hub.changesAfter(
        callerOf(request.identity, service),
        device,
        cursor,
        { limit, waitMs, namespaces },
        signal,
      ),
    );
    return { status: 200, body: page };
  },
});

const DEVICES = "/v1/hub/devices";
const params = lazily(() => z.object({ device: deviceSchema() }));
const unknown = { description: "There is no such device" };

const listDevices = route({
  method: "GET",
  path: DEVICES,
  operationId: "listDevices",
  summary: "Devices that push to the hub and read from it, in the order of their ids",
  access: OPERATOR,
  query: () =>
    z.object({
      limit: count(1, 1_000, 100),
      after: deviceSchema().optional().describe("Behind this device"),
    }),
  responses: { 200: { description: "A page", schema: devicesSchema } },
  async handle({ query: { limit, after = "" }, signal }, { sync }) {
    const devices = await sync.hub.devices.list({ after, limit }, signal);
    return { status: 200, body: { devices, after: devices.length < limit ? null : (devices.at(-1)?.device ?? null) } };
  },
});

const getDevice = route({
  method: "GET",
  path: `${DEVICES}/{device}`,
  operationId: "getDevice",
  summary: "A device: when it was seen, and how far behind it is",
  access: OPERATOR,
  params,
  responses: { 200: { description: "The device", schema: deviceDocumentSchema }, 404: unknown },
  async handle({ params: { device }, signal }, { sync }) {
    return { status: 200, body: await sync.hub.devices.get(device, signal) };
  },
});

const revokeDevice = route({
  method: "DELETE",
  path: `${DEVICES}/{device}`,
  operationId: "revokeDevice",
  summary: "Refuse a device from now on. What it has pushed stays; it no longer holds deletions from being pruned",
  access: OPERATOR,
  params,
  responses: { 200: { description: "The device", schema: deviceDocumentSchema }, 404: unknown },
  async handle({ params: { device }, signal }, { sync }) {
    return { status: 200, body: await sync.hub.devices.revoke(device, signal) };
  },
});

const admitDevice = route({
  method: "POST",
  path: `${DEVICES}/{device}/admit`,
  operationId: "admitDevice",
  summary: "Take the revocation of a device back",
  access: OPERATOR,
  params,
  responses: { 200: { description: "The device", schema: deviceDocumentSchema }, 404: unknown },
  async handle({ params: { device }, signal }, { sync }) {
    return { status: 200, body: await sync.hub.devices.admit(device, signal) };
  },
});

export const hubGroup: RouteGroup = {
  tag: "hub",
  description: "Edges: push changes exactly once, read what changed, and look after devices",
  routes: [identify, push, changes, listDevices, getDevice, revokeDevice, admitDevice],
};
