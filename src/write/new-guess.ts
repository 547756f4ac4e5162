/** Chunks that are not guessed about after a guess that was wrong, at most. */
const PAUSE_MAX = 256;

/**
 * Whether a large chunk of memories that this process does not know is taken for new, and sent before its rows are looked
 * for. A guess that is wrong costs a round trip and what the stores prepared in vain. So after each wrong one twice as many
 * chunks go without a guess: a batch over what is stored already pays for a few of them.
 */
export class NewGuess {
  #pause = 1;
  #left = 0;

  /** Asked once per chunk. */
  isWorthIt(): boolean {
    if (this.#left === 0) return true;
    this.#left--;
    return false;
  }

  held(): void {
    this.#pause = 1;
  }

  missed(): void {
    this.#left = this.#pause;
    this.#pause = Math.min(this.#pause * 2, PAUSE_MAX);
  }
}
