/** Lets calls pass, or holds all of them while the stores are put back: what is under way then cannot be told. */
export class Gate {
  #underWay = 0;
  #opened: Promise<void> | null = null;
  #open: () => void = () => undefined;
  #idle: () => void = () => undefined;

  /** Runs `call` once the gate is open. */
  async pass<T>(call: () => Promise<T>): Promise<T> {
    while (this.#opened !== null) await this.#opened;
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle();
    }
  }

  /** Resolves once no call is under way. */
  async close(): Promise<void> {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  open(): void {
    this.#opened = null;
    this.#open();
  }
}
