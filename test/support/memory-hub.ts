import { checksumOf } from "../../src/domain/checksum.ts";
import { canonicalJson } from "../../src/domain/memory.ts";
import { sideOfWire } from "../../src/edge/file/side.ts";
import { fingerprintOf } from "../../src/hub/fingerprint.ts";
import type { ChangesOptions, ChangesPage, HubChange } from "../../src/hub/protocol/changes.ts";
import { correctedTime } from "../../src/hub/protocol/clock.ts";
import { HubError, type ResyncReason } from "../../src/hub/protocol/codes.ts";
import type { Hub } from "../../src/hub/protocol/hub.ts";
import type { HubIdentity } from "../../src/hub/protocol/identity.ts";
import { holderAfter, privacyRefusal } from "../../src/hub/protocol/privacy.ts";
import type { PushAnswer, PushAnswers, PushChange, PushChanges } from "../../src/hub/protocol/push.ts";
import type { WireMemory } from "../../src/hub/protocol/wire-memory.ts";
import { flawOf } from "./change-flaw.ts";

interface Stored {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  readonly memory: WireMemory | null;
  readonly endedBy: "expired" | "deleted" | "withdrawn" | "erased" | null;
  readonly holder: string | null;
  readonly modifiedAt: number;
  readonly device: string | null;
  readonly key: string | null;
  /** Place in the feed. */
  readonly seq: number;
}

interface Claim {
  readonly status: "applied";
  readonly version: number;
  readonly fingerprint: string;
}

interface Device {
  settledThrough: string | null;
  readonly claims: Map<string, Claim>;
}

/** A hub in memory, with the rules of the protocol. One for all devices; `as` is the transport of one. */
export class MemoryHub {
  epoch = "epoch-1";
  now: () => number;
  memories = new Map<string, Stored>();
  devices = new Map<string, Device>();
  namespaces: string[] | null = null;
  pageMax = 1_000;
  pushMax = 500;
  /** Whether a request waits for a first change. Simulations take their steps one by one, and look again. */
  holds = false;
  readonly #waiting = new Set<() => void>();
  #seq = 0;
  prunedThrough = 0;
  /** Everything that a device ever sent, as text. */
  readonly seen: string[] = [];
  /** Called before each step; what it throws is what the device gets. `answered`: the call was applied already. */
  intercept: (step: "identify" | "push" | "answered" | "pull", device: string) => void | Promise<void> = () =>
    undefined;
  /** Decides the answer of a change instead of the hub. */
  answerInstead: (change: PushChange) => PushAnswer | null = () => null;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  as(device: string): Hub {
    return {
      identify: async () => {
        await this.intercept("identify", device);
        return this.#identify(device);
      },
      push: async (push) => {
        await this.intercept("push", device);
        const answers = this.#push(device, push);
        await this.intercept("answered", device);
        return answers;
      },
      changesAfter: async (cursor, options) => {
        await this.intercept("pull", device);
        const page = this.#changes(device, cursor, options);
        if (!this.holds || page.changes.length > 0 || options.waitMs === 0) return page;
        await this.#change(options.waitMs);
        return this.#changes(device, cursor, options);
      },
      close: async () => undefined,
    };
  }

  /** A write at the hub itself. */
  write(memoryId: string, memory: WireMemory, namespace = "default"): void {
    this.#writeHere({ namespace, memoryId, memory, endedBy: null });
  }

  end(memoryId: string, endedBy: NonNullable<Stored["endedBy"]>, namespace = "default"): void {
    this.#writeHere({ namespace, memoryId, memory: null, endedBy });
  }

  #writeHere(entry: Pick<Stored, "namespace" | "memoryId" | "memory" | "endedBy">): void {
    this.#store({ ...entry, holder: null, modifiedAt: this.now(), device: null, key: null });
  }

  get(memoryId: string, namespace = "default"): Stored | undefined {
    return this.memories.get(`${namespace}\u0000${memoryId}`);
  }

  /** Removes tombstones: a device that has not read them must resync. */
  pruneTombstones(): void {
    for (const [key, { endedBy }] of this.memories) if (endedBy !== null) this.memories.delete(key);
    this.prunedThrough = this.#seq;
  }

  snapshot(): () => void {
    const [memories, seq] = [new Map(this.memories), this.#seq];
    const devices = new Map(
      [...this.devices].map(([name, { settledThrough, claims }]) => [
        name,
        { settledThrough, claims: new Map(claims) },
      ]),
    );
    return () => {
      this.memories = memories;
      this.devices = devices;
      this.#seq = seq + 1_000;
      this.epoch = `${this.epoch}+`;
    };
  }

  /** All that it holds, as JSON. */
  dump() {
    const devices = [...this.devices].map(([name, { settledThrough, claims }]) => {
      return { name, settledThrough, claims: [...claims] };
    });
    return { epoch: this.epoch, seq: this.#seq, memories: [...this.memories.values()], devices };
  }

  load({ epoch, seq, memories, devices }: ReturnType<MemoryHub["dump"]>): void {
    this.epoch = epoch;
    this.#seq = seq;
    this.memories = new Map(memories.map((stored) => [`${stored.namespace}\u0000${stored.memoryId}`, stored]));
    this.devices = new Map(
      devices.map(({ name, settledThrough, claims }) => [name, { settledThrough, claims: new Map(claims) }]),
    );
  }

  #identify(name: string): HubIdentity {
    const device = this.#device(name);
    return {
      protocolVersion: 1,
      epoch: this.epoch,
      now: this.now(),
      limits: {
        pushChangesMax: this.pushMax,
        pushBytesMax: 8_388_608,
        contentBytesMax: 1_048_576,
        metadataBytesMax: 262_144,
        memoryIdBytesMax: 512,
        pageChangesMax: this.pageMax,
        waitMsMax: 30_000,
      },
      device: { device: name, settledThrough: device.settledThrough, cursor: null },
      namespaces: this.namespaces,
      canWrite: true,
      vectors: null,
    };
  }

  #device(name: string): Device {
    const found = this.devices.get(name) ?? { settledThrough: null, claims: new Map() };
    this.devices.set(name, found);
    return found;
  }

  #push(name: string, push: PushChanges): PushAnswers {
    const device = this.#device(name);
    const receivedAt = this.now();
    this.seen.push(JSON.stringify(push));
    if (push.epoch !== null && push.epoch !== this.epoch) throw this.#resyncRequired("epoch");
    if (push.changes.length > this.pushMax) throw new HubError("SYNC_BATCH", `more than ${this.pushMax} changes`);
    if (push.settledThrough !== null && push.settledThrough > (device.settledThrough ?? "")) {
      device.settledThrough = push.settledThrough;
      for (const key of device.claims.keys()) if (key <= push.settledThrough) device.claims.delete(key);
    }
    const answers = push.changes.map((change) => this.#apply(name, device, change, push.sentAt, receivedAt));
    return { epoch: this.epoch, receivedAt, answers };
  }

  #apply(name: string, device: Device, change: PushChange, sentAt: number, receivedAt: number): PushAnswer {
    const instead = this.answerInstead(change);
    if (instead !== null) return instead;
    const flaw = flawOf(change);
    if (flaw !== null) return { status: "rejected", code: "VALIDATION", message: flaw };
    const claim = device.claims.get(change.key);
    if (claim !== undefined && claim.fingerprint === fingerprintOf(change)) {
      return { status: "duplicate", version: claim.version };
    }
    if (claim !== undefined) return { status: "rejected", code: "IDEMPOTENCY_KEY_REUSED", message: "another change" };
    if (change.key <= (device.settledThrough ?? "")) {
      return { status: "rejected", code: "SYNC_SETTLED", message: "the key is settled" };
    }
    const found = this.get(change.memoryId, change.namespace);
    const privacy =
      found === undefined
        ? null
        : { privacy: found.memory?.privacy ?? null, endedBy: found.endedBy, holder: found.holder };
    const refusal = privacyRefusal(change, privacy, name);
    const isNewer = (found?.version ?? 0) !== (change.baseVersion ?? 0);
    const isPlainEnding = found !== undefined && found.memory === null && found.endedBy !== "withdrawn";
    const isTombstoneKnownAsNothing = isPlainEnding && (change.baseVersion ?? 0) === 0;
    const isConflict = change.op !== "withdraw" && isNewer && !isTombstoneKnownAsNothing;
    if (refusal !== null && (refusal.code === "ERASED" || !isConflict)) return { status: "rejected", ...refusal };
    if (isConflict) return { status: "conflict", current: found === undefined ? null : this.#told(found, name) };
    const modifiedAt = correctedTime(change.modifiedAt, sentAt, receivedAt);
    const holder = holderAfter(change, privacy, name);
    const memory = change.op === "put" ? this.#merged(change.memory, found) : null;
    const endedBy = change.op === "put" ? null : change.op === "delete" ? "deleted" : "withdrawn";
    const version = this.#store({ ...change, memory, endedBy, holder, modifiedAt, device: name });
    device.claims.set(change.key, { status: "applied", version, fingerprint: fingerprintOf(change) });
    return { status: "applied", version };
  }

  #merged(memory: WireMemory, _found: Stored | undefined): WireMemory {
    return memory;
  }

  #store(entry: Omit<Stored, "version" | "seq">): number {
    const { namespace, memoryId, memory, endedBy, holder, modifiedAt, device, key } = entry;
    const name = `${namespace}\u0000${memoryId}`;
    const version = (this.memories.get(name)?.version ?? 0) + 1;
    this.#seq++;
    for (const go of this.#waiting) go();
    this.memories.set(name, {
      namespace,
      memoryId,
      memory,
      endedBy,
      holder,
      modifiedAt,
      device,
      key,
      version,
      seq: this.#seq,
    });
    return version;
  }

  #change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, waitMs);
      this.#waiting.add(go);
    });
  }

  #changes(name: string, cursor: string | null, options: ChangesOptions): ChangesPage {
    const [epoch, place] = cursor === null ? [this.epoch, 0] : (JSON.parse(cursor) as [string, number]);
    if (epoch !== this.epoch) throw this.#resyncRequired("epoch");
    if (cursor !== null && place < this.prunedThrough) throw this.#resyncRequired("tombstones");
    const behind = [...this.memories.values()]
      .filter(({ seq, namespace }) => seq > place && (options.namespaces?.includes(namespace) ?? true))
      .filter(({ namespace }) => this.namespaces?.includes(namespace) ?? true)
      .sort((one, other) => one.seq - other.seq);
    const page = behind.slice(0, Math.min(options.limit, this.pageMax));
    const complete = page.length === behind.length;
    const last = complete ? this.#seq : (page.at(-1)?.seq ?? place);
    const changes = page.map((stored) => this.#told(stored, name));
    return {
      epoch: this.epoch,
      now: this.now(),
      namespaces: this.namespaces,
      changes,
      cursor: JSON.stringify([this.epoch, last]),
      complete,
    };
  }

  #resyncRequired(reason: ResyncReason): HubError {
    return new HubError("RESYNC_REQUIRED", "read everything anew", { resync: { reason, epoch: this.epoch } });
  }

  #told(stored: Stored, name: string): HubChange {
    const { namespace, memoryId, version, modifiedAt, device, key, memory, endedBy, holder } = stored;
    const base = { namespace, memoryId, version, versionVector: {}, modifiedAt, device, key };
    if (memory === null || endedBy !== null) {
      const kind = endedBy === "withdrawn" ? "withdrawn" : "deleted";
      return { ...base, kind, reason: endedBy ?? "deleted" };
    }
    const { document, embedding } = sideOfWire(memory);
    const checksum =
      memory.privacy === "full" && document !== null ? checksumOf(canonicalJson(document), embedding) : null;
    return { ...base, kind: "put", checksum, holder: memory.privacy === "redacted" && holder === name, memory };
  }
}
