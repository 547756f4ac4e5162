import { HttpProblem } from "./problem.ts";

/** Bytes of a body that count for nothing: the cap on connections bounds the sum of small bodies. */
const FREE_BYTES = 65_536;

/**
 * Bounds the memory of all bodies that are being read or worked on, or of all answers. Each key has half of it at most, so that one caller
 * with many large bodies leaves room for the others. A body that finds no room is refused with 503, not kept waiting:
 * bodies that hold a part of their room and wait for the rest could wait for each other.
 */
export class BodyMemory {
  readonly #bytesMax: number;
  readonly #bodies: string;
  readonly #held = new Map<string, number>();
  #bytes = 0;

  /** @param bodies what is held, for the refusal. */
  constructor(bytesMax: number, bodies = "large bodies") {
    this.#bytesMax = bytesMax;
    this.#bodies = bodies;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A place for one body of the key `owner`. Release it once nothing of the body is in use. */
  place(owner: string): BodyPlace {
    let counted = 0;
    let held = 0;
    return {
      add: (bytes) => {
        counted += bytes;
        const more = Math.max(0, counted - FREE_BYTES) - held;
        const own = (this.#held.get(owner) ?? 0) + more;
        if (this.#bytes + more > this.#bytesMax || own > this.#bytesMax / 2) throw noRoom(this.#bodies);
        held += more;
        this.#bytes += more;
        if (own > 0) this.#held.set(owner, own);
      },
      release: () => {
        const left = (this.#held.get(owner) ?? 0) - held;
        if (left > 0) this.#held.set(owner, left);
        else this.#held.delete(owner);
        this.#bytes -= held;
        held = 0;
        counted = Number.NEGATIVE_INFINITY; // Bytes that arrive later are thrown away, and not counted.
      },
    };
  }
}

export interface BodyPlace {
  /** Counts bytes of the body. @throws {HttpProblem} 503: there is no room for them. */
  add(bytes: number): void;
  release(): void;
}

function noRoom(bodies: string): HttpProblem {
  return new HttpProblem(503, "QUEUE_FULL", `the service works on as many ${bodies} as it can hold: send it again`, {
    retryable: true,
    headers: { "retry-after": "1" },
  });
}
