import { BodyMemory } from "./body-memory.ts";
import { HttpProblem } from "./problem.ts";

/** Bytes of documents and vectors that one answer has, at most: 25 memories of the largest size, or a page of any size. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of all answers that are being made or sent. In memory they take some six times as much: parsed, as text, as bytes. */
const ANSWERS_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Bounds the memory of answers, as they are read: a thousand memories of a mebibyte are one small request, and a caller that
 * reads its answers slowly keeps them in memory.
 */
export class AnswerRoom {
  readonly #memory = new BodyMemory(ANSWERS_BYTES_MAX, "large answers");

  /** Bytes that are counted now. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** Room for one answer to the key `owner`. Release it once the answer is sent, or the caller is gone. */
  place(owner: string): { onBytes: (bytes: number) => void; release: () => void } {
    const place = this.#memory.place(owner);
    let told = 0;
    const onBytes = (bytes: number): void => {
      told += bytes;
      if (told > ANSWER_BYTES_MAX) throw tooLarge();
      place.add(bytes);
    };
    return { onBytes, release: () => place.release() };
  }
}

function tooLarge(): HttpProblem {
  const detail = `the answer would have more than ${ANSWER_BYTES_MAX} bytes of documents and vectors: ask for fewer at a time`;
  return new HttpProblem(422, "ANSWER_TOO_LARGE", detail);
}
