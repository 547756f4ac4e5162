import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { TYPESCRIPT_LOADER } from "../support/program.ts";
import type { ServiceInsight } from "./inside/service-insight.ts";
import type { ProbeLook } from "./probe.ts";
import { lasted, type UnderWay } from "./under-way.ts";

/** How soon the service answered `/healthz`, and what it did where that took long. Milliseconds. */
export interface LivenessReport {
  readonly looks: number;
  /** From the question to the answer, seen from a process that does nothing else. */
  readonly slowestHealthzMs: number;
  /** The longest times for which the event loops stood: the service's as itself knows it, the probe's, the fuzzer's. */
  readonly longestHoldMs: number;
  readonly probeHoldMs: number;
  readonly longestCollectionMs: number;
  readonly collectionKind: string;
  /** The slowest looks, each with the requests that were under way. */
  readonly slowest: readonly { readonly ms: number; readonly text: string }[];
}

const SLOW_KEPT = 5;
const SLOW_FROM_MS = 100;
const REQUESTS_TOLD = 12;
const PROBE = fileURLToPath(new URL("probe.ts", import.meta.url));

/** Watches a service from outside, by a process of its own, and from inside. */
export class Liveness {
  readonly #probe: ChildProcess;
  readonly #probeEnded: Promise<void>;
  readonly #insight: ServiceInsight;
  readonly #underWay: UnderWay;
  readonly #onFailure: (what: string) => void;
  #isClosing = false;
  readonly #slowest: { ms: number; text: string }[] = [];
  #looks = 0;
  #slowestMs = 0;
  #longestHoldMs = 0;
  #probeHoldMs = 0;
  #longestCollectionMs = 0;
  #collectionKind = "";
  #isPaused = false;

  /** @param onFailure told of each answer that is not 200, and of the end of the probe: then nothing is known any more. */
  constructor(url: string, insight: ServiceInsight, underWay: UnderWay, onFailure: (what: string) => void) {
    this.#insight = insight;
    this.#underWay = underWay;
    this.#onFailure = onFailure;
    this.#probe = spawn(process.execPath, ["--import", TYPESCRIPT_LOADER, PROBE, url], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#probe.on("message", (look: ProbeLook) => this.#take(look));
    this.#probeEnded = new Promise((resolve) => {
      const end = (how: string): void => {
        if (!this.#isClosing) onFailure(`the probe of /healthz ended by itself: ${how}`);
        resolve();
      };
      this.#probe.once("exit", (code, signal) => end(signal ?? `exit code ${code}`));
      this.#probe.once("error", (error) => end(error.message));
    });
  }

  /** Of the process that asks; undefined: it could not be started. */
  get probePid(): number | undefined {
    return this.#probe.pid;
  }

  /** Looks at the service's own event loop. */
  async look(): Promise<void> {
    const { longestHoldMs, longestCollectionMs, collectionKind } = await this.#insight.loop();
    this.#longestHoldMs = Math.max(this.#longestHoldMs, longestHoldMs);
    if (longestCollectionMs <= this.#longestCollectionMs) return;
    this.#longestCollectionMs = longestCollectionMs;
    this.#collectionKind = collectionKind;
  }

  /** Runs work that holds the service up by itself: what is seen meanwhile does not count. */
  async unobserved<T>(work: () => Promise<T>): Promise<T> {
    await this.look();
    this.#isPaused = true;
    try {
      return await work();
    } finally {
      const next = new Promise<void>((resolve) => this.#probe.once("message", () => resolve()));
      await Promise.race([next, this.#probeEnded]); // The look that was under way meanwhile.
      this.#isPaused = false;
    }
  }

  report(): LivenessReport {
    return {
      looks: this.#looks,
      slowestHealthzMs: Math.round(this.#slowestMs),
      longestHoldMs: Math.round(this.#longestHoldMs),
      probeHoldMs: Math.round(this.#probeHoldMs),
      longestCollectionMs: Math.round(this.#longestCollectionMs),
      collectionKind: this.#collectionKind,
      slowest: [...this.#slowest],
    };
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#probe.kill("SIGKILL");
    await this.#probeEnded;
  }

  #take({ begunAt, endedAt, status, ownHoldMs }: ProbeLook): void {
    if (this.#isPaused) return;
    this.#looks++;
    if (status !== 200) this.#onFailure(`/healthz answered ${status === 0 ? "nothing" : status}`);
    const ms = endedAt - begunAt;
    this.#slowestMs = Math.max(this.#slowestMs, ms);
    this.#probeHoldMs = Math.max(this.#probeHoldMs, ownHoldMs);
    const last = this.#slowest.at(-1);
    if (ms < SLOW_FROM_MS || (last !== undefined && this.#slowest.length === SLOW_KEPT && ms <= last.ms)) return;
    this.#slowest.push({ ms: Math.round(ms), text: this.#told(begunAt, endedAt, ownHoldMs) });
    this.#slowest.sort((a, b) => b.ms - a.ms).splice(SLOW_KEPT);
  }

  #told(begunAt: number, endedAt: number, ownHoldMs: number): string {
    const requests = this.#underWay.between(begunAt, endedAt, REQUESTS_TOLD);
    const lines = requests.map((request) => {
      const after = Math.round(request.begunAt - begunAt);
      return `    begun ${after} ms after it, ${Math.round(lasted(request))} ms, ${request.bytes} bytes: ${request.text}`;
    });
    return [`(the probe's own event loop stood for ${Math.round(ownHoldMs)} ms)`, ...lines].join("\n");
  }
}
