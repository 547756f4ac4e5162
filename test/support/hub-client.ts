import { gunzipSync, gzipSync } from "node:zlib";
import { nextChangeKey } from "../../src/hub/protocol/change-key.ts";
import type { ChangesOptions, ChangesPage, HubChange } from "../../src/hub/protocol/changes.ts";
import { changesPageSchema } from "../../src/hub/protocol/changes.ts";
import { HUB_ERROR_CODES, HubError } from "../../src/hub/protocol/codes.ts";
import type { Hub } from "../../src/hub/protocol/hub.ts";
import { HUB_PATHS, hubIdentitySchema } from "../../src/hub/protocol/identity.ts";
import { type PushAnswer, type PushChange, type PushChanges, pushAnswersSchema } from "../../src/hub/protocol/push.ts";
import type { FullWireMemory, WireMemory } from "../../src/hub/protocol/wire-memory.ts";
import type { TestRequest, TestService } from "./http-service.ts";

/** The protocol over a service without a network: requests and answers as they would travel, compressed both ways. */
export function injectedHub(service: TestService, device: string, key: string): Hub {
  const call = async (method: "GET" | "POST", url: string, body?: unknown): Promise<unknown> => {
    const request: TestRequest = {
      key,
      headers: { "accept-encoding": "gzip", ...(body !== undefined && { "content-encoding": "gzip" }) },
      ...(body !== undefined && { body: gzipSync(JSON.stringify(body)) }),
    };
    const plain = url === HUB_PATHS.identify ? { key, ...(body !== undefined && { body }) } : request;
    const response = await service.request(method, url, plain);
    const bytes =
      response.headers["content-encoding"] === "gzip" ? gunzipSync(response.rawPayload) : response.rawPayload;
    const answer = JSON.parse(bytes.toString());
    if (response.statusCode === 200) return answer;
    const code =
      HUB_ERROR_CODES.find((known) => known === answer.code) ??
      (response.statusCode < 500 ? "SYNC_BATCH" : "SYNC_CONNECTION");
    const { reason, epoch } = answer;
    throw new HubError(code, answer.detail, reason === undefined ? {} : { resync: { reason, epoch } });
  };
  return {
    identify: async () =>
      hubIdentitySchema().parse(await call("POST", HUB_PATHS.identify, { device, protocolVersions: [1] })),
    push: async (push) => pushAnswersSchema().parse(await call("POST", HUB_PATHS.push, { device, ...push })),
    changesAfter: async (cursor, { limit, waitMs, namespaces }) => {
      const query = new URLSearchParams({ device, limit: String(limit), waitMs: String(waitMs) });
      if (cursor !== null) query.set("cursor", cursor);
      for (const namespace of namespaces ?? []) query.append("namespace", namespace);
      return changesPageSchema().parse(await call("GET", `${HUB_PATHS.changes}?${query}`));
    },
    close: async () => undefined,
  };
}

export const NEVER_ABORTED = new AbortController().signal;

export const FULL: FullWireMemory = {
  privacy: "full",
  content: "a thought",
  memoryType: "episodic",
  importance: 0.5,
  metadata: { about: "tests" },
  embedding: null,
};

/** A device of a test: it makes keys, and remembers its epoch and its cursor. */
export class TestDevice {
  readonly hub: Hub;
  readonly device: string;
  /** Of all that it pushes and reads. */
  readonly namespace: string;
  epoch: string | null = null;
  settledThrough: string | null = null;
  cursor: string | null = null;
  #last: string | null = null;

  constructor(hub: Hub, device: string, namespace = "default") {
    this.hub = hub;
    this.device = device;
    this.namespace = namespace;
  }

  key(): string {
    this.#last = nextChangeKey(this.#last, Date.now(), Math.random);
    return this.#last;
  }

  put(memoryId: string, baseVersion: number | null, memory: Partial<WireMemory> = {}, more: Partial<PushChange> = {}) {
    const given = memory.privacy === "redacted" ? memory : { ...FULL, ...memory };
    const head = { key: this.key(), namespace: this.namespace, memoryId, baseVersion, modifiedAt: Date.now() };
    return { ...head, op: "put", memory: given, ...more } as PushChange;
  }

  end(op: "delete" | "withdraw", memoryId: string, baseVersion: number, more: Partial<PushChange> = {}): PushChange {
    const head = { key: this.key(), namespace: this.namespace, memoryId, baseVersion, modifiedAt: Date.now() };
    return { ...head, op, ...more } as PushChange;
  }

  async push(changes: readonly PushChange[], more: Partial<PushChanges> = {}): Promise<PushAnswer[]> {
    const head = { epoch: this.epoch, sentAt: Date.now(), settledThrough: this.settledThrough };
    return (await this.hub.push({ ...head, changes, ...more }, NEVER_ABORTED)).answers;
  }

  async one(change: PushChange): Promise<PushAnswer> {
    return (await this.push([change]))[0] as PushAnswer;
  }

  async page(options: Partial<ChangesOptions> = {}): Promise<ChangesPage> {
    const query = { limit: 100, waitMs: 0, namespaces: [this.namespace], ...options };
    const page = await this.hub.changesAfter(this.cursor, query, NEVER_ABORTED);
    this.cursor = page.cursor;
    return page;
  }

  /** All that there is behind the cursor. */
  async pull(options: Partial<ChangesOptions> = {}): Promise<HubChange[]> {
    const changes: HubChange[] = [];
    for (;;) {
      const page = await this.page(options);
      changes.push(...page.changes);
      if (page.complete) return changes;
    }
  }

  /**
   * The next changes, at least `count` of them: the feed shows a commit once all older transactions of the server have ended,
   * those of other tests among them.
   */
  async told(count: number, options: Partial<ChangesOptions> = {}): Promise<HubChange[]> {
    const changes: HubChange[] = [];
    const deadline = performance.now() + 60_000;
    while (changes.length < count && performance.now() < deadline) {
      changes.push(...(await this.page({ waitMs: 5_000, ...options })).changes);
    }
    return changes;
  }
}
