import { Agent, request } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * A process of its own that asks `/healthz` of the address in its first argument, ten times a second, and tells the fuzzer
 * of each answer. The fuzzer itself cannot measure: it makes bodies of 17 MB and checks answers against schemas, and its own
 * event loop stands meanwhile.
 */

/** What one look at `/healthz` found. Times are milliseconds since 1970. */
export interface ProbeLook {
  readonly begunAt: number;
  readonly endedAt: number;
  /** 0: no answer. */
  readonly status: number;
  /** For which the event loop of the probe itself stood, at most. */
  readonly ownHoldMs: number;
}

const INTERVAL_MS = 100;
const TIMEOUT_MS = 60_000;
const RESOLUTION_MS = 5;

const url = process.argv[2];
if (url !== undefined) await probe(new URL("/healthz", url));

async function probe(address: URL): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  process.on("disconnect", () => process.exit(0));
  const now = (): number => performance.timeOrigin + performance.now();
  for (;;) {
    delay.reset();
    const begunAt = now();
    const status = await ask(address, agent);
    const ownHoldMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
    // The fuzzer may be gone by now: "disconnect" ends this process.
    process.send?.({ begunAt, endedAt: now(), status, ownHoldMs } satisfies ProbeLook, () => undefined);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

function ask(address: URL, agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(address, { agent }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
      response.once("error", () => resolve(0));
    });
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy());
    sent.once("error", () => resolve(0));
    sent.end();
  });
}
