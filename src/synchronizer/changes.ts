import { ClosedError, EpochChangedError, ValidationError } from "../domain/errors.ts";
import type { ChangeEvent, ChangePage, ChangesOptions, ReadChangesOptions } from "../feed/change-options.ts";
import type { ChangeStream } from "../feed/change-stream.ts";
import type { Listener, Listeners } from "../runtime/listeners.ts";
import type { Log } from "../runtime/log.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions } from "./calls.ts";
import { EVENT_NAMES, type SynchronizerEvents } from "./notifications.ts";

export interface ChangesParts {
  readonly scope: CallScope;
  readonly stream: ChangeStream;
  readonly listeners: Listeners<SynchronizerEvents>;
  readonly log: Log;
}

/** The façade's calls that follow changes and other events. `MemorySynchronizer` documents them. */
export class Changes {
  readonly #parts: ChangesParts;
  readonly #closing = new AbortController();

  constructor(parts: ChangesParts) {
    this.#parts = parts;
  }

  changes(options: ChangesOptions): AsyncGenerator<ChangeEvent, void, undefined> {
    const { scope, stream } = this.#parts;
    scope.assertOpen();
    return stream.stream(options);
  }

  async readChanges(options: ReadChangesOptions & CallOptions): Promise<ChangePage> {
    const { scope, stream } = this.#parts;
    const { signal, timeoutMs, ...query } = options;
    return await scope.run("readChanges", { signal, timeoutMs }, (deadline) => stream.read(query, deadline));
  }

  on<Name extends keyof SynchronizerEvents>(name: Name, listener: Listener<SynchronizerEvents[Name]>): () => void {
    const { scope, listeners } = this.#parts;
    scope.assertOpen();
    if (!EVENT_NAMES.includes(name)) {
      throw new ValidationError("name", `${JSON.stringify(name)}: expected ${EVENT_NAMES.join(", ")}`);
    }
    if (typeof listener !== "function") throw new ValidationError("listener", "expected a function");
    if (name !== "change") return listeners.on(name, listener);
    const ending = new AbortController();
    const end = (): void => {
      ending.abort();
      this.#closing.signal.removeEventListener("abort", end);
    };
    this.#closing.signal.addEventListener("abort", end, { once: true });
    void this.#follow(listener as Listener<ChangeEvent>, ending.signal);
    return end;
  }

  /** Ends all listeners. One that is being called is not called again. */
  close(): void {
    this.#closing.abort();
    this.#parts.listeners.close();
  }

  /** A listener of changes is a reader of the feed: it pulls, so however slow it is, nothing piles up for it here. */
  async #follow(listener: Listener<ChangeEvent>, signal: AbortSignal): Promise<void> {
    const { stream, log } = this.#parts;
    while (!signal.aborted) {
      try {
        for await (const event of stream.stream({ from: "now", signal })) {
          try {
            await listener(event);
          } catch (error) {
            log.error({ name: "change", error: (error as Error | null)?.message ?? String(error) }, "listener.failed");
          }
        }
      } catch (error) {
        if (signal.aborted || error instanceof ClosedError) return;
        log.error({ name: "change", error: (error as Error).message }, "listener.stream_ended");
        // The new history is followed from now on. Any other error would come again and again.
        if (!(error instanceof EpochChangedError)) return;
      }
    }
  }
}
