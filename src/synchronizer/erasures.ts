import { ValidationError } from "../domain/errors.ts";
import { type Filter, parseFilter } from "../domain/filter/filter.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import { checkNotes, type EraseRequest, type ErasureRequests } from "../erase/erasures.ts";
import { namedIds } from "../erase/named-ids.ts";
import { ERASURES_PAGE_MAX, type ErasePreview, type EraseTarget } from "../erase/options.ts";
import type { Erasure } from "../erase/receipt.ts";
import { decodeSuppressedCursor, SUPPRESSED_PAGE_MAX, type SuppressedPage } from "../erase/suppressed.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions, EraseOptions, ErasuresOptions, ReadOptions, SuppressedOptions } from "./calls.ts";

export interface ErasuresParts {
  readonly scope: CallScope;
  readonly validator: MemoryValidator;
  readonly requests: ErasureRequests;
}

/** Erasures of all nodes: what would go, receipts, and what was asked for. `MemorySynchronizer.erase` begins one. */
export class Erasures {
  readonly #parts: ErasuresParts;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: ErasuresParts) {
    this.#parts = parts;
  }

  /** What `erase` would cover now. Writes nothing. */
  async preview(target: EraseTarget, options: ReadOptions = {}): Promise<ErasePreview> {
    const request = this.#requestOf(target, options);
    const { scope, requests } = this.#parts;
    return await scope.run("erasures.preview", options, (signal) => requests.preview(request, signal));
  }

  /** What `eraseNamespace` would cover now. Writes nothing. */
  async previewNamespace(namespace: string, options: CallOptions = {}): Promise<ErasePreview> {
    const request = this.#namespaceRequest(namespace, {});
    const { scope, requests } = this.#parts;
    return await scope.run("erasures.previewNamespace", options, (signal) => requests.preview(request, signal));
  }

  /** The receipt of an erasure. @throws {NotFoundError} */
  async get(id: string, options: CallOptions = {}): Promise<Erasure> {
    const { scope, requests } = this.#parts;
    return await scope.run("erasures.get", options, (signal) => requests.get(id, signal));
  }

  /** Receipts, newest first. */
  async list(options: ErasuresOptions = {}): Promise<Erasure[]> {
    const { scope, requests, validator } = this.#parts;
    const { limit = 100, before = null, namespaces = null } = options;
    validator.checkCount(limit, "limit", ERASURES_PAGE_MAX);
    return await scope.run("erasures.list", options, (signal) => requests.list({ namespaces, before, limit }, signal));
  }

  /**
   * The ids of erased memories that are suppressed, page by page, in the order of namespaces and ids. Kept beside a backup, they say
   * what has to be erased again after a restore: `erase` with a filter of these ids does it.
   */
  async suppressed(options: SuppressedOptions = {}): Promise<SuppressedPage> {
    const { scope, requests, validator } = this.#parts;
    const { limit = SUPPRESSED_PAGE_MAX, cursor, namespace = null } = options;
    validator.checkCount(limit, "limit", SUPPRESSED_PAGE_MAX);
    if (namespace !== null) validator.validateKey("-", namespace);
    const after = cursor === undefined ? null : decodeSuppressedCursor(cursor);
    if (after !== null && namespace !== null && after.namespace !== namespace) {
      throw new ValidationError("cursor", "belongs to a list of another namespace: begin without one");
    }
    const query = { namespace, after, limit };
    return await scope.run("erasures.suppressed", options, (signal) => requests.suppressed(query, signal));
  }

  /** @internal `MemorySynchronizer.erase`. */
  async erase(target: EraseTarget, options: EraseOptions): Promise<Erasure> {
    return await this.#run("erase", this.#requestOf(target, options), options);
  }

  /** @internal `MemorySynchronizer.eraseNamespace`. */
  async eraseNamespace(namespace: string, options: Omit<EraseOptions, "namespace">): Promise<Erasure> {
    return await this.#run("eraseNamespace", this.#namespaceRequest(namespace, options), options);
  }

  /** @internal `MemorySynchronizer.revive`. */
  async revive(memoryId: string, options: ReadOptions): Promise<SyncOutcome> {
    const { scope, requests, validator } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("revive", options, (signal) => requests.revive(key, signal));
  }

  async #run(name: string, request: EraseRequest, options: EraseOptions): Promise<Erasure> {
    const { scope, requests } = this.#parts;
    const begun = await scope.run(name, { signal: options.signal }, (signal) => requests.begin(request, signal));
    if (options.wait === false) return await scope.run(name, {}, (signal) => requests.get(begun.id, signal));
    // As long as it takes: the caller's signal ends the wait, and the erasure goes on.
    const signal = options.signal ?? new AbortController().signal;
    return await scope.runLong(name, options.signal, () => requests.settled(begun, signal));
  }

  #requestOf(target: EraseTarget, options: EraseOptions): EraseRequest {
    const { validator } = this.#parts;
    const notes = { ...checkNotes(options), owner: options.owner ?? null };
    if (typeof target === "string") {
      const { namespace, memoryId } = validator.validateKey(target, options.namespace);
      return { kind: "memory", namespace, memoryId, where: null, ...notes };
    }
    const { namespace } = validator.validateKey("-", options.namespace);
    const { where } = Object(target) as { where?: Filter };
    if (typeof where !== "object" || where === null || Object.keys(where).length === 0) {
      throw new ValidationError(
        "where",
        "is no filter, or an empty one: give a memory id, a filter that names what must go, or call eraseNamespace",
      );
    }
    for (const memoryId of namedIds(parseFilter(where)) ?? []) validator.validateKey(memoryId, namespace);
    return { kind: "filter", namespace, memoryId: null, where, ...notes };
  }

  #namespaceRequest(given: string, options: Omit<EraseOptions, "namespace">): EraseRequest {
    if (typeof given !== "string") throw new ValidationError("namespace", "must be given: there is no default here");
    const { namespace } = this.#parts.validator.validateKey("-", given);
    return {
      kind: "namespace",
      namespace,
      memoryId: null,
      where: null,
      ...checkNotes(options),
      owner: options.owner ?? null,
    };
  }
}
