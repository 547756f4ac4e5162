/**
 * Lets updates of resources through while their connection takes them.
 *
 *   shut ──stream opened, drained──► open ──stream full, gone──► shut      any ──close──► closed (final)
 */
export class UpdateGate {
  #state: "shut" | "open" | "closed" = "shut";
  #waiting: (() => void)[] = [];

  open(): void {
    if (this.#state === "shut") this.#state = "open";
    this.#wake();
  }

  shut(): void {
    if (this.#state === "open") this.#state = "shut";
  }

  close(): void {
    this.#state = "closed";
    this.#wake();
  }

  /** Resolves once the gate is open. @throws It was closed. */
  async pass(): Promise<void> {
    while (this.#state === "shut") await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#state === "closed") throw new Error("the session has ended");
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
