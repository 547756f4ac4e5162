import type { Log } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import type { Service, ServiceState, ServiceStatus } from "../runtime/service.ts";
import type { FeedSignal } from "./feed-signal.ts";

/** What follows the feed, in passes. */
export interface Followed {
  /** Names it in the log. */
  readonly name: string;
  /** Takes over what the feed shows. */
  catchUp(signal: AbortSignal): Promise<unknown>;
  /** Lets another process follow from the same place. */
  release?(signal: AbortSignal): Promise<void>;
}

export interface FollowServiceOptions {
  readonly followed: readonly Followed[];
  readonly news: Pick<FeedSignal, "listen" | "subscribe">;
  /** Milliseconds between two passes without a signal, since signals may go unheard. */
  readonly intervalMs: number;
  readonly log: Log;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** Milliseconds for letting others have the places, at the end. Their leases run out anyway. */
const RELEASE_MS = 2_000;

/** Has each follower catch up when the feed signals news, and at intervals; after failures with growing pauses, by itself. */
export class FollowService implements Service {
  readonly name = "follow";
  readonly #options: FollowServiceOptions;
  readonly #loops: readonly Loop[];
  #unsubscribe: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  constructor(options: FollowServiceOptions) {
    const { followed, intervalMs, log, random } = options;
    this.#options = options;
    this.#loops = followed.map(
      (follower) =>
        new Loop({
          name: `follow:${follower.name}`,
          intervalMs,
          log,
          ...(random && { random }),
          pass: async (signal) => {
            await this.#listen(signal);
            await follower.catchUp(signal);
            return false;
          },
        }),
    );
  }

  start(): void {
    if (this.status().state !== "idle") return;
    this.#unsubscribe ??= this.#options.news.subscribe(() => {
      for (const loop of this.#loops) loop.wake();
    });
    for (const loop of this.#loops) loop.start();
  }

  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    await this.#stopped;
  }

  status(): ServiceStatus {
    const all = this.#loops.map((loop) => loop.status());
    const failed = all.find(({ lastError }) => lastError !== null);
    return { state: stateOf(all.map(({ state }) => state)), lastError: failed?.lastError ?? null };
  }

  async #stop(): Promise<void> {
    const wasStarted = this.status().state !== "idle";
    this.#unsubscribe?.();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    if (wasStarted) await Promise.all(this.#options.followed.map((follower) => this.#release(follower)));
  }

  /** Without signals the interval is all there is: no reason not to look. */
  async #listen(signal: AbortSignal): Promise<void> {
    const { news, log } = this.#options;
    await news.listen(signal).catch((error: Error) => {
      if (!signal.aborted) log.debug({ error: error.message }, "feed.not_listening");
    });
  }

  async #release(follower: Followed): Promise<void> {
    try {
      await follower.release?.(AbortSignal.timeout(RELEASE_MS));
    } catch (error) {
      this.#options.log.debug({ name: follower.name, error: (error as Error).message }, "feed.cursor_not_released");
    }
  }
}

/** All loops are started and stopped together; one may settle later than another. */
function stateOf(states: readonly ServiceState[]): ServiceState {
  return states.find((state) => state === "stopping") ?? states[0] ?? "idle";
}
