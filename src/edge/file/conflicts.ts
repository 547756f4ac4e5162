import { ulid } from "ulid";
import type { MemoryKey } from "../../domain/keys.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import type { FileContext } from "./context.ts";
import { parseSide, type Side, sideJson, vectorBytes } from "./side.ts";

/** A conflict as the file keeps it. */
export interface ConflictRow {
  readonly id: string;
  readonly namespace: string;
  readonly memory_id: string;
  readonly state: "pending" | "resolved";
  readonly policy: string;
  readonly resolution: "local" | "remote" | "merged" | null;
  readonly reason: string;
  readonly detected_at: number;
  readonly resolved_at: number | null;
  readonly base_version: number;
  readonly base_json: string | null;
  readonly base_embedding: Uint8Array | null;
  readonly local_json: string;
  readonly local_embedding: Uint8Array | null;
  readonly local_modified_at: number;
  readonly remote_version: number;
  readonly remote_json: string;
  readonly remote_modified_at: number;
  readonly file: string | null;
}

export interface NewConflict {
  readonly key: MemoryKey;
  readonly state: "pending" | "resolved";
  readonly policy: string;
  readonly resolution: "local" | "remote" | "merged" | null;
  readonly reason: string;
  readonly baseVersion: number;
  readonly base: Side | null;
  readonly local: Side;
  /** By the hub's clock. */
  readonly localModifiedAt: number;
  readonly remote: HubChange;
}

/** Conflicts and both their sides. All methods run in the transaction of their caller. */
export class Conflicts {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  /** @returns its id. A memory has one pending conflict at most: a later one takes the place of its remote side. */
  add(conflict: NewConflict, nowMs: number): string {
    const { key, base, local, remote } = conflict;
    if (conflict.state === "pending") this.dropPending(key);
    const id = ulid(nowMs, this.#context.random);
    this.#context.file.run(
      `insert into conflicts (id, namespace, memory_id, state, policy, resolution, reason, detected_at, resolved_at,
       base_version, base_json, base_embedding, local_json, local_embedding, local_modified_at, remote_version, remote_json,
       remote_modified_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      key.namespace,
      key.memoryId,
      conflict.state,
      conflict.policy,
      conflict.resolution,
      conflict.reason,
      nowMs,
      conflict.state === "pending" ? null : nowMs,
      conflict.baseVersion,
      base === null ? null : sideJson(base),
      base === null ? null : vectorBytes(base.embedding),
      sideJson(local),
      vectorBytes(local.embedding),
      conflict.localModifiedAt,
      remote.version,
      JSON.stringify(remote),
      remote.modifiedAt,
    );
    return id;
  }

  find(id: string): ConflictRow | undefined {
    return this.#context.file.get<ConflictRow>("select * from conflicts where id = ?", id);
  }

  pendingOf({ namespace, memoryId }: MemoryKey): ConflictRow | undefined {
    return this.#context.file.get<ConflictRow>(
      "select * from conflicts where namespace = ? and memory_id = ? and state = 'pending' limit 1",
      namespace,
      memoryId,
    );
  }

  /** Whether the pending conflict of the memory has this change of the hub as its other side. */
  isOpen(key: MemoryKey, remote: HubChange): boolean {
    const pending = this.pendingOf(key);
    if (pending === undefined || pending.remote_version !== remote.version) return false;
    const known = JSON.parse(pending.remote_json) as HubChange;
    return known.kind === remote.kind && known.key === remote.key && known.modifiedAt === remote.modifiedAt;
  }

  dropPending({ namespace, memoryId }: MemoryKey): void {
    this.#context.file.run(
      "delete from conflicts where namespace = ? and memory_id = ? and state = 'pending'",
      namespace,
      memoryId,
    );
  }

  resolve(id: string, resolution: "local" | "remote" | "merged", reason: string, nowMs: number): void {
    this.#context.file.run(
      "update conflicts set state = 'resolved', resolution = ?, reason = ?, resolved_at = ? where id = ?",
      resolution,
      reason,
      nowMs,
      id,
    );
  }

  /** Decides the pending conflict of a memory, if there is one. */
  settlePending(key: MemoryKey, resolution: "local" | "remote", reason: string, nowMs: number): void {
    const pending = this.pendingOf(key);
    if (pending !== undefined) this.resolve(pending.id, resolution, reason, nowMs);
  }

  /** The edit as it is when the conflict is decided: later ones of a held memory go with it. @param modifiedAt by the hub's clock. */
  keepLocal(id: string, local: Side, modifiedAt: number): void {
    this.#context.file.run(
      "update conflicts set local_json = ?, local_embedding = ?, local_modified_at = ? where id = ?",
      sideJson(local),
      vectorBytes(local.embedding),
      modifiedAt,
      id,
    );
  }

  /**
   * Takes the hub's content out of the conflicts of a memory that its origin withdrew: hub sides and bases. Edits that were
   * made here stay.
   */
  withhold(key: MemoryKey): void {
    const rows = this.#context.file.all<ConflictRow>(
      "select * from conflicts where namespace = ? and memory_id = ?",
      key.namespace,
      key.memoryId,
    );
    for (const row of rows) {
      if (row.resolution === "remote") {
        const { namespace, memoryId, version, versionVector, modifiedAt, device, key: changeKey } = remoteOf(row);
        const base = { namespace, memoryId, version, versionVector, modifiedAt, device, key: changeKey };
        const remote: HubChange = { ...base, kind: "withdrawn", reason: "withdrawn" };
        this.#context.file.run(
          "update conflicts set base_json = null, base_embedding = null, remote_json = ? where id = ?",
          JSON.stringify(remote),
          row.id,
        );
        continue;
      }
      if (row.file !== null && row.file !== "") {
        this.#context.file.run("insert or ignore into file_removals (name) values (?)", row.file);
      }
      this.#context.file.run("delete from conflicts where id = ?", row.id);
    }
  }

  /** Removes every trace of a memory. Its files are removed once this is committed. */
  purge({ namespace, memoryId }: MemoryKey): void {
    this.#context.file.run(
      `insert or ignore into file_removals (name) select file from conflicts
       where namespace = ? and memory_id = ? and file is not null and file <> ''`,
      namespace,
      memoryId,
    );
    this.#context.file.run("delete from conflicts where namespace = ? and memory_id = ?", namespace, memoryId);
  }
}

export function localSideOf(row: ConflictRow): Side {
  return parseSide(row.local_json, row.local_embedding);
}

export function remoteOf(row: ConflictRow): HubChange {
  return JSON.parse(row.remote_json) as HubChange;
}
