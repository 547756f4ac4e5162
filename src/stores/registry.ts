import { ConfigurationError } from "../domain/errors.ts";
import { isStoreId, LEDGER_ID, RESERVED_STORE_IDS, type StoreId } from "../domain/store-id.ts";
import type { Projection } from "./projection.ts";
import type { VectorShape } from "./traits.ts";
import { isVectorIndex, type VectorIndex } from "./vector-index.ts";

/** The projections of one node, by id. The order of registration is the order of reports and of precedence. */
export class StoreRegistry {
  readonly projections: readonly Projection[];
  /** The vector shape that fits every store; parts that no store prescribes are absent. */
  readonly vectorShape: VectorShape;
  readonly #byId: ReadonlyMap<StoreId, Projection>;

  /**
   * @throws {ConfigurationError} An id is malformed, reserved or duplicate, a projection holds nothing, or no vector fits all
   *   of them.
   */
  constructor(projections: readonly Projection[]) {
    const byId = new Map<StoreId, Projection>();
    for (const projection of projections) {
      checkStoreId(projection.id);
      if (byId.has(projection.id)) {
        throw new ConfigurationError(`two stores have the id "${projection.id}": give each an id of its own`);
      }
      checkTraits(projection);
      byId.set(projection.id, projection);
    }
    this.projections = [...projections];
    this.vectorShape = commonShape(projections);
    this.#byId = byId;
  }

  /** Ids of all stores, the ledger first. */
  get ids(): readonly StoreId[] {
    return [LEDGER_ID, ...this.#byId.keys()];
  }

  get(id: StoreId): Projection | undefined {
    return this.#byId.get(id);
  }

  /** The first registered searchable projection; null when there is none. */
  get vectorIndex(): VectorIndex | null {
    return this.projections.find(isVectorIndex) ?? null;
  }

  /** The first registered projection that serves reads before the ledger; null when there is none. */
  get cache(): Projection | null {
    return this.projections.find(({ traits }) => traits.cache === true) ?? null;
  }
}

/** @throws {ConfigurationError} The id of a projection breaks the pattern, or is reserved. */
export function checkStoreId(id: unknown): asserts id is StoreId {
  if (!isStoreId(id)) {
    throw new ConfigurationError(
      `store id ${JSON.stringify(id)}: expected a lower-case letter, then at most 62 of a-z, 0-9, "-" and "_"`,
    );
  }
  if (RESERVED_STORE_IDS.includes(id)) {
    throw new ConfigurationError(`store id "${id}" is reserved (${RESERVED_STORE_IDS.join(", ")}): choose another one`);
  }
}

/** The required functions of a projection. */
const REQUIRED = [
  "prepare",
  "publish",
  "discard",
  "read",
  "scan",
  "digest",
  "count",
  "flaw",
  "replace",
  "health",
] as const satisfies readonly (keyof Projection)[];

/** @throws {ConfigurationError} `store` is not a projection: the message names its missing functions. */
export function checkStore(store: unknown): asserts store is Projection {
  if (typeof store !== "object" || store === null) {
    throw new ConfigurationError(`a store is ${store === null ? "null" : `a ${typeof store}`}, expected a Projection`);
  }
  const lacking = REQUIRED.filter((name) => typeof (store as Partial<Projection>)[name] !== "function");
  if (lacking.length > 0) {
    throw new ConfigurationError(`a store lacks ${lacking.map((name) => `${name}()`).join(", ")}: see Projection`);
  }
  const { standing, brand } = store as Partial<Projection>;
  if ((standing === undefined) !== (brand === undefined)) {
    throw new ConfigurationError("a store has one of standing() and brand() only: it needs both, or neither");
  }
  checkStoreId((store as Projection).id);
  checkTraits(store as Projection);
}

function checkTraits({ id, traits }: Projection): void {
  const { scope, holds } = (traits ?? {}) as Partial<Projection["traits"]>;
  if (scope !== "shared" && scope !== "node") {
    throw new ConfigurationError(`store "${id}": traits.scope is ${String(scope)}, expected "shared" or "node"`);
  }
  if (
    !(holds instanceof Set) ||
    holds.size === 0 ||
    [...holds].some((part) => part !== "documents" && part !== "vectors")
  )
    throw new ConfigurationError(`store "${id}": traits.holds must be a Set of "documents", "vectors" or both`);
}

function commonShape(projections: readonly Projection[]): VectorShape {
  const dimension = commonPart(projections, "dimension", ({ dimension: own }) => own);
  const model = commonPart(projections, "model", ({ model: own }) => own);
  const metrics = projections.flatMap(({ traits }) => traits.vectorShape?.metric ?? []);
  // Stores may use different metrics, but under cosine a vector of zeros has no direction.
  const metric = metrics.find((found) => found === "cosine") ?? metrics[0];
  return { ...(dimension && { dimension }), ...(model && { model }), ...(metric && { metric }) };
}

function commonPart<Value>(
  projections: readonly Projection[],
  name: string,
  partOf: (shape: VectorShape) => Value | null | undefined,
): Value | undefined {
  let first: { readonly store: StoreId; readonly value: Value } | undefined;
  for (const { id: store, traits } of projections) {
    const value = partOf(traits.vectorShape ?? {});
    if (value == null) continue;
    first ??= { store, value };
    if (value === first.value) continue;
    throw new ConfigurationError(
      `stores "${first.store}" and "${store}" take vectors of different shapes: ${name} ` +
        `${JSON.stringify(first.value)} and ${JSON.stringify(value)}. A memory has one vector: set up both stores for ` +
        "the same one",
    );
  }
  return first?.value;
}
