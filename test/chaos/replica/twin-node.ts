import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { sendSignal } from "../../../src/dev/processes.ts";
import { pollUntil } from "../../../src/dev/wait.ts";
import type { ChildProgram } from "../../support/child-program.ts";
import type { TwinNodeMessage, TwinNodeSettings } from "./settings.ts";

/** Milliseconds from the launch to the first sign: the primary may have to come back first. */
const READY_MS = 150_000;
const CLOSE_MS = 60_000;

/** A node process, and what replication is doing there. */
export class TwinNode {
  readonly settings: TwinNodeSettings;
  readonly #program: ChildProgram;
  readonly #failures: string[];
  #child: ChildProcess | null = null;
  #isReady = false;
  #state = "starting";

  constructor(program: ChildProgram, settings: TwinNodeSettings, failures: string[]) {
    this.#program = program;
    this.settings = settings;
    this.#failures = failures;
  }

  /** Whether it replicates, as far as it said. */
  get isLeader(): boolean {
    return this.#child !== null && !["starting", "standby"].includes(this.#state);
  }

  /** Does not wait for it. */
  start(): void {
    const child = fork(this.#program.path, {
      execArgv: [...this.#program.nodeArguments],
      env: { ...process.env, TWIN_NODE: JSON.stringify(this.settings) },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#isReady = false;
    this.#state = "starting";
    child.on("message", (message: TwinNodeMessage) => {
      if (message.kind === "ready") this.#isReady = true;
      if (message.kind === "state") this.#state = message.state;
    });
    child.once("exit", (code, signal) => {
      if (this.#child === child) this.#child = null;
      if (code === 0 || signal === "SIGKILL") return;
      this.#failures.push(`node ${this.settings.nodeId} ended with ${signal ?? `exit code ${code}`}`);
    });
    this.#child = child;
  }

  async ready(): Promise<void> {
    await pollUntil(`node ${this.settings.nodeId} to be ready`, READY_MS, () => this.#isReady);
  }

  /** SIGKILL. Resolves once it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** In good order. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    if (child.connected) child.send("close");
    await pollUntil(`node ${this.settings.nodeId} to close`, CLOSE_MS, () => this.#child !== child).catch(async () => {
      this.#failures.push(`node ${this.settings.nodeId} did not close within ${CLOSE_MS} ms`);
      await this.kill();
    });
  }

  freeze(): void {
    if (this.#child?.pid !== undefined) sendSignal(this.#child.pid, "SIGSTOP");
  }

  thaw(): void {
    if (this.#child?.pid !== undefined) sendSignal(this.#child.pid, "SIGCONT");
  }
}
