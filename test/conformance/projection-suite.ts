import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Projection } from "../../src/stores/projection.ts";

/** In what projections may differ, and still keep the contract. */
export interface ProjectionTraits {
  /** Holds the document, the version vector and the time of the change; else the vector and nothing but it. */
  readonly documents: boolean;
  /** Holds memories without a vector; else a memory that has none reads as a tombstone of its version. */
  readonly withoutVector: boolean;
  /** Holds the vector's bytes as they were given; else scaled to length 1. */
  readonly exactVectors: boolean;
}

/** A projection to test, empty, and what ends it. */
export interface OpenProjection {
  readonly projection: Projection;
  readonly traits: ProjectionTraits;
  /** Takes everything out. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** What the files of the suite share: the projection under test, empty before each test. */
export class ProjectionUnderTest {
  #open: OpenProjection | null = null;

  constructor(open: () => Promise<OpenProjection>) {
    beforeAll(async () => {
      this.#open = await open();
    });
    beforeEach(async () => {
      await this.#current.clear();
    });
    afterAll(async () => {
      await this.#open?.close();
    });
  }

  get projection(): Projection {
    return this.#current.projection;
  }

  get traits(): ProjectionTraits {
    return this.#current.traits;
  }

  get #current(): OpenProjection {
    if (this.#open === null) throw new Error("the projection opens before the first test");
    return this.#open;
  }
}

/** The deadline of one call. */
export const soon = (): AbortSignal => AbortSignal.timeout(20_000);
