import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Requests and answers by operation. */
export type Operations = Record<string, { request: unknown; answer: unknown }>;

/** From us to the process. */
export interface PeerRequest {
  readonly id: number;
  readonly operation: string;
  readonly request: unknown;
}

/** Sent instead of a disconnection, after which Node never tells that the process's output has ended. */
const END = "end";

/** From the process to us. */
export type PeerAnswer = { readonly id: number } & (
  | { readonly answer: unknown }
  | { readonly failure: string; readonly stack: string }
);

/** The process is well, and what it was asked for failed. */
export class PeerFailure extends Error {
  /** The message of the error over there. */
  readonly reason: string;

  constructor(message: string, reason: string) {
    super(message);
    this.reason = reason;
  }
}

interface Pending {
  settle(answer: PeerAnswer): void;
  fail(error: Error): void;
}

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
/** Characters of the end of its output that are kept for error messages. */
const OUTPUT_KEPT_MAX = 4_000;
/** Milliseconds that it may take to end by itself once it was told to. */
const END_TIMEOUT_MS = 10_000;

/**
 * A process of its own for a contender, so that nobody's garbage or blocked event loop is in the others' figures. One
 * request at a time, each with a deadline: a process that misses it is killed. It ends when we do.
 */
export class PeerProcess<Calls extends Operations> {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #output = "";
  #lastId = 0;
  #gone: Error | null = null;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output = `${this.#output}${text}`.slice(-OUTPUT_KEPT_MAX);
      });
    }
    child.on("message", (answer: PeerAnswer) => this.#pending.get(answer.id)?.settle(answer));
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#lose(`could not be started: ${error.message}`);
        if (child.pid === undefined) resolve();
      });
      child.once("close", (code, signal) => {
        this.#lose(`ended with ${signal ?? `exit code ${code}`}`);
        resolve();
      });
    });
  }

  /** @param script a TypeScript module that calls `servePeer`. @param environment beside that of this process. */
  static start<Calls extends Operations>(
    name: string,
    script: URL,
    { args = [], environment = {} }: { args?: readonly string[]; environment?: Readonly<Record<string, string>> } = {},
  ): PeerProcess<Calls> {
    const child = fork(script, args, {
      execArgv: ["--expose-gc", "--import", "tsx"],
      cwd: REPOSITORY, // Where tsx is found.
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
    });
    return new PeerProcess<Calls>(name, child);
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /**
   * @throws {PeerFailure} The work failed.
   * @throws {Error} The process ended or gave no answer in time; the message ends with its last output.
   */
  async request<Name extends keyof Calls & string>(
    operation: Name,
    request: Calls[Name]["request"],
    timeoutMs: number,
  ): Promise<Calls[Name]["answer"]> {
    if (this.#gone !== null) throw this.#gone;
    const id = ++this.#lastId;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<PeerAnswer>((settle, fail) => {
        this.#pending.set(id, { settle, fail });
        timer = setTimeout(() => {
          fail(this.#failure(`gave no answer to "${operation}" within ${timeoutMs} ms and was killed`));
          this.#child.kill("SIGKILL");
        }, timeoutMs);
        this.#child.send({ id, operation, request } satisfies PeerRequest, (error) => {
          if (error !== null) fail(this.#failure(`could not be asked for "${operation}": ${error.message}`));
        });
      });
      if ("failure" in answer) {
        throw new PeerFailure(`${this.#name} failed at "${operation}": ${answer.stack}`, answer.failure);
      }
      return answer.answer;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** SIGKILL: no chance to save anything. Resolves once it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Lets it end by itself, or ends it. Safe twice, and when it is gone already. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.send(END, () => undefined); // It may be gone by then: all the better.
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #lose(how: string): void {
    this.#gone ??= this.#failure(how);
    for (const pending of this.#pending.values()) pending.fail(this.#gone);
  }

  #failure(what: string): Error {
    const output = this.#output.trim();
    return new Error(`the process of ${this.#name} ${what}${output === "" ? "" : `\n${output}`}`);
  }
}

/** The other side: answers requests until the one who started this process is gone, then runs `end` and exits. */
export function servePeer<Calls extends Operations>(
  handlers: { readonly [Name in keyof Calls]: (request: Calls[Name]["request"]) => Promise<Calls[Name]["answer"]> },
  end: () => Promise<void>,
): void {
  const reply = (answer: PeerAnswer): void => {
    if (process.connected) process.send?.(answer);
  };
  process.on("message", (message: PeerRequest | typeof END) => {
    if (message === END) return void process.disconnect();
    const { id, operation, request } = message;
    const handler = handlers[operation];
    const fail = (error: Error): void => reply({ id, failure: error.message, stack: error.stack ?? error.message });
    if (handler === undefined) return fail(new Error(`there is no operation "${operation}"`));
    // Also what a handler throws before it is asynchronous is its answer.
    (async () => await handler(request))().then(
      (answer) => reply({ id, answer }),
      (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
    );
  });
  once(process, "disconnect")
    .then(end)
    .then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
}
