import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { inTime } from "../../../support/settles.ts";
import type { EdgeProgram } from "./edge-program.ts";
import type { EdgeNodeAnswer, EdgeNodeCall, EdgeNodeCommand, EdgeNodeError, EdgeNodeSettings } from "./messages.ts";

/** The process was killed before it answered. */
export class KilledError extends Error {
  override readonly name = "KilledError";
}

/** What the edge threw, in its process. */
export class EdgeCallError extends Error {
  readonly error: EdgeNodeError;

  constructor(error: EdgeNodeError) {
    super(`${error.name} ${error.code}: ${error.message}`);
    this.error = error;
  }
}

export type OnEdit = (answer: Extract<EdgeNodeAnswer, { kind: "editBegun" | "editAcknowledged" }>) => void;

/** Milliseconds for an answer: beyond every deadline of an edge's own, on a busy machine. One that is out then has been forgotten. */
const ANSWER_MAX_MS = 180_000;

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** One process of an edge, and the calls to it. */
export class EdgeChild {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: Promise<unknown>;
  readonly #onEdit: OnEdit;
  #lastId = 0;
  #ready: Waiting | null = null;

  private constructor(child: ChildProcess, onEdit: OnEdit) {
    this.#child = child;
    this.#onEdit = onEdit;
    this.#gone = once(child, "exit");
    child.on("message", (answer: EdgeNodeAnswer) => this.#settle(answer));
    child.once("exit", (code, signal) => this.#end(code, signal));
  }

  static async start(
    program: EdgeProgram,
    settings: Omit<EdgeNodeSettings, "module">,
    onEdit: OnEdit,
  ): Promise<EdgeChild> {
    const child = fork(program.path, {
      execArgv: [...program.nodeArguments],
      env: { ...process.env, EDGE_NODE: JSON.stringify({ ...settings, module: program.module }) },
      // Vectors and undefined fields arrive as they are.
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const edge = new EdgeChild(child, onEdit);
    const ready = new Promise<void>((resolve, reject) => {
      edge.#ready = { resolve, reject };
    });
    await inTime("the start of an edge's process", ready, ANSWER_MAX_MS);
    return edge;
  }

  /** @throws {KilledError} @throws {EdgeCallError} */
  async call<Result>(name: EdgeNodeCall, ...args: readonly unknown[]): Promise<Result> {
    if (!this.#child.connected) throw new KilledError(`the process is gone, so it cannot ${name}`);
    const id = ++this.#lastId;
    const answer = new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.tell({ kind: "call", id, name, args });
    });
    return await inTime(`${name} of an edge's process`, answer, ANSWER_MAX_MS);
  }

  tell(command: EdgeNodeCommand): void {
    if (this.#child.connected) this.#child.send(command, () => undefined); // Its end is told by "exit".
  }

  /** Resolves once the process is gone, killed by this or by itself. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }

  #settle(answer: EdgeNodeAnswer): void {
    if (answer.kind === "ready") this.#ready?.resolve(undefined as never);
    else if (answer.kind === "editBegun" || answer.kind === "editAcknowledged") this.#onEdit(answer);
    else {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.kind === "result") waiting?.resolve(answer.result as never);
      else waiting?.reject(new EdgeCallError(answer.error));
    }
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const message = `the process of the edge ended with ${signal ?? `exit code ${code}`}`;
    const error = signal === "SIGKILL" ? new KilledError(message) : new Error(message);
    this.#ready?.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
