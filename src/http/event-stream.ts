import type { ServerResponse } from "node:http";
import { pause, untilAborted } from "../runtime/deadline.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { Identity } from "./keys.ts";
import { asProblem, HttpProblem } from "./problem.ts";

/** Milliseconds between comments that keep proxies from closing a silent stream. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds between two looks at the caller's key. The keys file itself is read again every 5 s. */
const KEY_CHECK_MS = 1_000;
/** Milliseconds that the last event has to get through before the connection is cut. */
const LINGER_MS = 1_000;

/** The caller of a request whose answer lasts. */
export interface StreamCaller {
  readonly identity: Identity;
  /** Fires when the caller hangs up. */
  readonly signal: AbortSignal;
  /** Whether the caller's key still gives the rights that the request was admitted with. */
  isAdmitted(): Promise<boolean>;
}

export interface EventStreamOptions {
  readonly caller: StreamCaller;
  readonly stopping: AbortSignal;
  /** Milliseconds that a reader may leave the buffer full. */
  readonly stallTimeoutMs: number;
}

export interface ServerSentEvent {
  readonly event: string;
  /** Where a reader that connects again goes on. A text without line breaks. */
  readonly id?: string;
  readonly data: unknown;
}

/** The caller hung up: it needs no answer, and the log no line. */
const HUNG_UP = Symbol("hung up");

/**
 * One answer of server-sent events.
 *
 *   open ──work done, failed, stop, key lost──► ending ──last event written──► closed
 *     └────reader hung up, or reads nothing for stallTimeoutMs────────────────────┘
 *
 * It holds one event more than the buffer of the connection (16 KiB), however slow its reader is: `send` waits for room. A
 * reader that leaves the buffer full for `stallTimeoutMs` is cut off, without a last event, for which there is no room.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #options: EventStreamOptions;
  readonly #ending = new AbortController();
  #stall: NodeJS.Timeout | null = null;
  #hasStalled = false;
  #position: string | null = null;

  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.#response = response;
    this.#options = options;
  }

  /** Fires when the stream ends, for whatever reason. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether the reader has not yet taken what was sent. */
  get isBehind(): boolean {
    return this.#response.writableNeedDrain;
  }

  /** Resolves once there is room for another event. @throws the reason of `signal`: the stream has ended. */
  async send(event: ServerSentEvent): Promise<void> {
    await this.#room();
    if (event.id !== undefined) this.#position = null; // It lies before this event.
    this.#write(frameOf(event));
  }

  /** The next heartbeat tells the reader to go on from here, without an event: what lies before is not for this reader. */
  passed(position: string): void {
    this.#position = position;
  }

  /**
   * Sends the head, runs `work` and ends the answer. A failure is told to the reader by an event `closed`, whose data is a
   * problem as in an error answer: what to do is in its `code`.
   * @returns the failure, for the log; null where the stream ended well, or by its reader. Never rejects.
   */
  async run(work: (stream: EventStream) => Promise<void>): Promise<unknown> {
    const { caller, stopping } = this.#options;
    const response = this.#response;
    const forgets = [onAbort(caller.signal, () => this.#end(HUNG_UP)), onAbort(stopping, () => this.#end(stopped()))];
    if (stopping.aborted) this.#end(stopped());
    if (caller.signal.aborted || response.req.method === "HEAD") this.#end(HUNG_UP);
    const heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    const keyCheck = setInterval(() => void this.#checkKey(), KEY_CHECK_MS);
    const onDrain = (): void => this.#forgetStall();
    response.on("drain", onDrain);
    let failure: unknown = null;
    try {
      response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
      response.flushHeaders();
      this.signal.throwIfAborted();
      await work(this);
      this.signal.throwIfAborted();
    } catch (error) {
      failure = this.signal.aborted ? this.signal.reason : error;
    } finally {
      this.#end(HUNG_UP); // Whatever the work began ends with it.
      for (const forget of forgets) forget();
      clearInterval(heartbeat);
      clearInterval(keyCheck);
      this.#forgetStall();
      response.off("drain", onDrain);
    }
    await this.#close(failure);
    // A stop, and a key that was taken away, are the operator's doing.
    return failure === HUNG_UP || (failure instanceof HttpProblem && !this.#hasStalled) ? null : failure;
  }

  async #close(failure: unknown): Promise<void> {
    const response = this.#response;
    if (this.#hasStalled || response.destroyed) {
      response.destroy();
      return;
    }
    const isTold = failure !== null && failure !== HUNG_UP;
    response.end(isTold ? frameOf({ event: "closed", data: closing(failure) }) : undefined);
    const lingering = new AbortController();
    response.once("close", () => lingering.abort());
    if (response.closed) return;
    await pause(LINGER_MS, lingering.signal);
    if (!response.writableFinished) response.destroy();
  }

  async #room(): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.#response.writableNeedDrain) return;
    let wake = (): void => undefined;
    const drained = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#response.once("drain", wake);
    try {
      await untilAborted(drained, this.signal);
    } finally {
      this.#response.off("drain", wake);
    }
  }

  #write(text: string): void {
    if (this.#response.write(text) || this.#stall !== null) return;
    const { stallTimeoutMs } = this.#options;
    this.#stall = setTimeout(() => {
      this.#hasStalled = true;
      this.#end(new HttpProblem(408, "REQUEST_TIMEOUT", `the reader took nothing for ${stallTimeoutMs} ms`));
    }, stallTimeoutMs);
  }

  #forgetStall(): void {
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#stall = null;
  }

  #beat(): void {
    if (this.isBehind || this.signal.aborted) return;
    // A block without data moves the reader's last event id, and is no event.
    const position = this.#position === null ? "" : `id: ${this.#position}\n`;
    this.#position = null;
    this.#write(`: still here\n${position}\n`);
  }

  async #checkKey(): Promise<void> {
    try {
      if (await this.#options.caller.isAdmitted()) return;
      this.#end(keyLost());
    } catch (error) {
      this.#end(error);
    }
  }

  #end(reason: unknown): void {
    if (!this.signal.aborted) this.#ending.abort(reason);
  }
}

/** The answer to a caller whose key lost the rights that its request was admitted with. */
export function keyLost(): HttpProblem {
  return new HttpProblem(401, "UNAUTHENTICATED", "the key was revoked, has expired, or has other rights than before");
}

/** The answer to a caller that waits while the service stops. */
export function stopped(): HttpProblem {
  return new HttpProblem(
    503,
    "NOT_READY",
    "the service is stopping: go on from the last event at another node, or later",
    {
      retryable: true,
    },
  );
}

function closing(failure: unknown): object {
  const { status, code, message, retryable } = asProblem(failure);
  return { status, code, detail: message, retryable };
}

/** JSON has no line breaks, so one line of data is enough. */
function frameOf({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
