import * as z from "zod";
import { keysSchema, ownKeySchema } from "../../documents/key-documents.ts";
import { type Identity, isOperator } from "../keys.ts";
import { KEY_ID, type KeyEntry } from "../keys-file.ts";
import { count } from "../requests.ts";
import { OPERATOR, type RouteGroup, route } from "../route.ts";

const getOwnKey = route({
  method: "GET",
  path: "/v1/keys/self",
  operationId: "getOwnKey",
  summary: "What the caller's own key permits",
  access: { scope: "read" },
  responses: { 200: { description: "The key", schema: ownKeySchema } },
  async handle({ identity }, service) {
    const entry = (await service.keys())?.find(({ id }) => id === identity.id);
    return { status: 200, body: ownKey(identity, entry) };
  },
});

const listKeys = route({
  method: "GET",
  path: "/v1/keys",
  operationId: "listKeys",
  summary: "Keys of the service, without their secrets. mnemosync key adds and revokes them",
  access: OPERATOR,
  query: () =>
    z.object({
      limit: count(1, 1_000, 100),
      after: z.string().regex(KEY_ID, "expected the id of a key").optional().describe("Behind this key"),
    }),
  responses: { 200: { description: "A page", schema: keysSchema } },
  async handle({ query: { limit, after = "" } }, service) {
    const entries = await service.keys();
    const sorted = [...(entries ?? [])].sort((one, other) => (one.id < other.id ? -1 : 1));
    const behind = sorted.filter(({ id }) => id > after);
    const page = behind.slice(0, limit);
    const body = {
      authentication: entries === null ? "none" : "keys",
      keys: page.map((entry) => ({ ...shown(entry), expired: entry.expired })),
      after: behind.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
    return { status: 200, body };
  },
});

function ownKey(identity: Identity, entry: KeyEntry | undefined) {
  const { id, owner, scope, namespaces } = identity;
  return {
    ...{ id, owner, scope, operator: isOperator(identity) },
    namespaces: namespaces === null ? null : [...namespaces],
    expiresAt: entry?.expiresAt ?? null,
  };
}

function shown({ id, owner = id, scope, namespaces, expiresAt }: KeyEntry) {
  return { id, owner, scope, namespaces: namespaces === "*" ? null : namespaces, expiresAt: expiresAt ?? null };
}

export const keyGroup: RouteGroup = {
  tag: "keys",
  description: "The keys of the service: who may call it, and what for",
  routes: [getOwnKey, listKeys],
};
