import type { ChildProcess } from "node:child_process";

/** The longest time for which the service's event loop stood, and its longest garbage collection, since the last look. */
export interface LoopLook {
  readonly kind: "loop";
  readonly longestHoldMs: number;
  readonly longestCollectionMs: number;
  readonly collectionKind: string;
}

/** Bytes of the service process, after a forced collection. */
export interface MemoryLook {
  readonly kind: "memory";
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

/** A turn of the event loop that took long, with the stacks that took most of it. */
export interface Hold {
  readonly kind: "hold";
  readonly ms: number;
  readonly stacks: string;
}

type Look = LoopLook | MemoryLook;

/** Milliseconds for an answer: the service may stand in a collection, or write a heap snapshot, on a busy machine. */
const ANSWER_MAX_MS = 120_000;

/** Asks a process that has loaded `inside.mjs`. One question at a time; each is answered, or fails within two minutes. */
export class ServiceInsight {
  readonly #child: ChildProcess;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Called with each long turn, where the environment asks for them (`FUZZ_HOLDS_MS`). */
  onHold(listener: (hold: Hold) => void): void {
    this.#child.on("message", (message: Look | Hold) => {
      if (message.kind === "hold") listener(message);
    });
  }

  loop(): Promise<LoopLook> {
    return this.#ask("loop");
  }

  memory(): Promise<MemoryLook> {
    return this.#ask("memory");
  }

  #ask<Kind extends Look["kind"]>(kind: Kind): Promise<Extract<Look, { kind: Kind }>> {
    const asked = this.#turn.then(() => this.#answer(kind));
    this.#turn = asked.catch(() => undefined);
    return asked as Promise<Extract<Look, { kind: Kind }>>;
  }

  #answer(kind: Look["kind"]): Promise<Look> {
    return new Promise((resolve, reject) => {
      const hear = (message: Look | Hold): void => {
        if (message.kind === kind) end(() => resolve(message as Look));
      };
      const fail = (why: string): void =>
        end(() => reject(new Error(`the service ${why} when it was asked for its ${kind}`)));
      const gone = (): void => fail("was gone");
      const timer = setTimeout(() => fail(`gave no answer within ${ANSWER_MAX_MS} ms`), ANSWER_MAX_MS);
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#child.off("message", hear);
        this.#child.off("exit", gone);
        settle();
      };
      this.#child.on("message", hear);
      this.#child.once("exit", gone);
      if (this.#child.connected) this.#child.send(kind, (error) => error && gone());
      else gone();
    });
  }
}
