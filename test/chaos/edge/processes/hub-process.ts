import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { pollUntil } from "../../../../src/dev/wait.ts";
import { programArguments, REPOSITORY } from "../../../support/program.ts";
import type { Random } from "../../../support/random.ts";
import type { TcpProxy } from "../../../support/tcp-proxy.ts";
import { type FaultRates, NO_FAULTS, Tally } from "../faults.ts";
import type { CallStep, ProxiedHub } from "./recording-proxy.ts";

/** Milliseconds from the launch to the first answer: a killed one may have to recover an index. */
const START_MAX_MS = 90_000;
const STOP_MAX_MS = 30_000;
/** Milliseconds within which a kill comes that is aimed at no step. */
const ANYWHERE_MS = 25;
/** Characters of the last output that are kept, for the report of an unexpected end. */
const OUTPUT_KEPT = 20_000;

/** Steps of a call at which the process of the hub is killed. */
const STEPS: Readonly<Record<CallStep, readonly string[]>> = {
  identify: ["anywhere"],
  // Before the claims of the keys, before the commit arrives, once it is durable, once all is published.
  push: ["received", "claiming", "committing", "committed", "applied", "anywhere"],
  pull: ["received", "read", "anywhere"],
};

export interface HubProcessOptions {
  readonly random: Random;
  /** Settings, as the environment has them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Between the hub and its PostgreSQL: what passes there tells how far a call is. */
  readonly postgresProxy: TcpProxy;
}

/** `mnemosync serve` as a process that is killed at steps of its calls, and comes back on the same port. */
export class HubProcess implements ProxiedHub {
  readonly kills = new Tally();
  rates: FaultRates = NO_FAULTS;
  readonly url: string;
  readonly #options: HubProcessOptions;
  readonly #port: number;
  #child: ChildProcess | null = null;
  #running: Promise<void> = Promise.resolve();
  #output = "";

  constructor(port: number, options: HubProcessOptions) {
    this.#port = port;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Resolves once it serves. @throws It ended. */
  async start(): Promise<void> {
    this.#running = this.#start();
    await this.#running;
  }

  /** In good order. */
  async stop(): Promise<void> {
    await this.running();
    await this.#end("SIGTERM");
  }

  /** Resolves once it serves: at once, or when it is back after a kill. */
  async running(): Promise<void> {
    for (let waited: Promise<void> | null = null; waited !== this.#running; ) {
      waited = this.#running; // It may be killed again while it starts.
      await waited;
    }
  }

  /** kill -9. It comes back by itself. */
  async kill(step: string): Promise<void> {
    await this.running();
    this.#dieAt(step);
    await this.running();
  }

  async close(): Promise<void> {
    await this.#running.catch(() => undefined);
    await this.#end("SIGKILL");
  }

  async killAtStep<Result>(step: CallStep, carryOut: () => Promise<Result>): Promise<Result> {
    const { random, postgresProxy } = this.#options;
    // Now and then the line is dead until the hub is back.
    if (random.below(4) > 0) await this.running();
    if (random.next() >= this.rates.hubKilled) return await carryOut();
    const aim = random.pick(STEPS[step]);
    const name = `hub ${step} ${aim}`;
    const life = this.#child;
    const die = (): void => {
      if (this.#child === life && life !== null) this.#dieAt(name);
    };
    if (aim === "received") die();
    else if (aim === "anywhere") setTimeout(die, random.below(ANYWHERE_MS));
    else if (aim === "claiming") postgresProxy.when("toServer", "hub_claims", () => this.#cut(die));
    else if (aim === "committing") postgresProxy.when("toServer", "commit", () => this.#cut(die));
    else if (aim === "committed") postgresProxy.when("toClient", "COMMIT", die);
    try {
      const result = await carryOut();
      if (aim !== "applied" && aim !== "read") return result;
      die();
      throw new Error("the hub was killed before it answered");
    } finally {
      await postgresProxy.pass(); // A step that was not reached is not waited for any more.
    }
  }

  /** Neither the statement nor the end of the connection reaches PostgreSQL before the process is gone. */
  #cut(die: () => void): void {
    die();
    this.#options.postgresProxy.reset();
  }

  #dieAt(name: string): void {
    this.kills.add(name);
    const ended = this.#end("SIGKILL");
    this.#running = ended.then(() => this.#start());
    this.#running.catch(() => undefined); // The next caller is told.
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
    await exited;
    clearTimeout(timer);
  }

  async #start(): Promise<void> {
    const child = spawn(process.execPath, [...programArguments(), "serve", "--json"], {
      cwd: REPOSITORY,
      env: { ...process.env, ...this.#options.environment, MNEMOSYNC_HTTP_PORT: String(this.#port) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        printed += chunk;
        this.#output = (this.#output + chunk).slice(-OUTPUT_KEPT);
      });
    }
    await pollUntil("the hub", START_MAX_MS, () => {
      if (this.#child !== child) return true; // Killed meanwhile: another start is under way.
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}: ${this.#output}`);
      return /\bready\b/.test(printed);
    });
  }
}
