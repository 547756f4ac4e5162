import type { ServerResponse } from "node:http";
import type { HttpSettings } from "../config/http-settings.ts";
import type { Log } from "../index.ts";
import { EventStream, type StreamCaller } from "./event-stream.ts";
import { HttpProblem } from "./problem.ts";

/** Room for one stream, or for one request that waits. Its holder runs a stream in it, or releases it. */
export interface StreamPlace {
  /**
   * Answers with server-sent events and releases the place. Never rejects: the reader is told why its stream ends, and the log too.
   * @param name what the stream is about, for the log.
   */
  run(response: ServerResponse, name: object, work: (stream: EventStream) => Promise<void>): Promise<void>;
  /** A second call does nothing. */
  release(): void;
}

/** Seconds after which a caller without a place should ask again. */
const RETRY_AFTER_S = 5;

/**
 * All streams of a service, and the requests that wait for news: each holds a connection and some memory for as long as its
 * caller likes, so they are counted per key and in all.
 */
export class EventStreams {
  readonly #http: HttpSettings;
  readonly #stopping: AbortSignal;
  readonly #log: Log;
  readonly #ofKey = new Map<string, number>();
  #open = 0;

  constructor(http: HttpSettings, stopping: AbortSignal, log: Log) {
    this.#http = http;
    this.#stopping = stopping;
    this.#log = log;
  }

  /** Places that are taken. */
  get open(): number {
    return this.#open;
  }

  /** @throws {HttpProblem} 429: as many places are taken as may be, by this key or by all. */
  take(caller: StreamCaller): StreamPlace {
    const { id } = caller.identity;
    const { streamsMax, streamsPerKeyMax } = this.#http;
    const own = this.#ofKey.get(id) ?? 0;
    if (own >= streamsPerKeyMax) throw full(`this key has ${own} streams and waiting requests`, streamsPerKeyMax);
    if (this.#open >= streamsMax) throw full(`the service has ${this.#open} streams and waiting requests`, streamsMax);
    this.#ofKey.set(id, own + 1);
    this.#open++;
    let isTaken = true;
    const release = (): void => {
      if (!isTaken) return;
      isTaken = false;
      this.#open--;
      const left = (this.#ofKey.get(id) ?? 1) - 1;
      if (left === 0) this.#ofKey.delete(id);
      else this.#ofKey.set(id, left);
    };
    return {
      release,
      run: async (response, name, work) => {
        const stream = new EventStream(response, {
          caller,
          stopping: this.#stopping,
          stallTimeoutMs: this.#http.streamStallTimeoutMs,
        });
        try {
          const failure = await stream.run(work);
          const error = failure instanceof Error ? failure.message : String(failure);
          const keyId = id;
          if (failure !== null) this.#log.warn({ ...name, keyId, error }, "http.stream_cut");
        } finally {
          release();
        }
      },
    };
  }
}

function full(found: string, most: number): HttpProblem {
  return new HttpProblem(429, "TOO_MANY_STREAMS", `${found}, and at most ${most} may be open: end one, or try later`, {
    retryable: true,
    headers: { "retry-after": String(RETRY_AFTER_S) },
  });
}
