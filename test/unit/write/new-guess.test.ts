import { expect, test } from "vitest";
import { NewGuess } from "../../../src/write/new-guess.ts";

/** How many chunks go without a guess before the next one that is made. */
function pauseOf(guess: NewGuess): number {
  let chunks = 0;
  while (!guess.isWorthIt()) chunks++;
  return chunks;
}

test("each wrong guess in a row doubles the chunks that go without one, up to a bound", () => {
  const guess = new NewGuess();
  expect(pauseOf(guess)).toBe(0);
  const pauses: number[] = [];
  for (let miss = 0; miss < 10; miss++) {
    guess.missed();
    pauses.push(pauseOf(guess));
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
  guess.held();
  expect(pauseOf(guess)).toBe(0);
  guess.missed();
  expect(pauseOf(guess)).toBe(1);
});
