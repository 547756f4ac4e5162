import type { ServerResponse } from "node:http";
import { pause, untilAborted } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { StreamCaller } from "./event-stream.ts";

export interface WebAnswerOptions {
  readonly caller: StreamCaller;
  /** Ends the answer. @default nothing does */
  readonly stopping?: AbortSignal;
  /** Milliseconds that a reader may take nothing. */
  readonly stallTimeoutMs: number;
  /** Milliseconds between two looks at the caller's key; none are made where it is absent. */
  readonly keyCheckMs?: number;
  /** Called when the connection takes more, and with false when it does not. */
  readonly onRoom?: (hasRoom: boolean) => void;
}

/**
 * Sends an answer of the fetch API on a response of Node's, at the pace of its reader. It ends with the answer, when the caller hangs
 * up, loses its key or takes nothing for too long, and when the service stops; the answer's source is cancelled then. Never rejects.
 */
export async function sendWebAnswer(
  answer: Response,
  response: ServerResponse,
  options: WebAnswerOptions,
): Promise<void> {
  const { caller, stopping, keyCheckMs, onRoom } = options;
  const end = new LinkedAbort(caller.signal);
  const forget = stopping && onAbort(stopping, () => end.abort(stopping.reason));
  if (stopping?.aborted || response.req.method === "HEAD") end.abort(stopping?.reason);
  const reader = answer.body?.getReader();
  try {
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    if (keyCheckMs !== undefined) void endWithKey(caller, keyCheckMs, end);
    if (reader !== undefined) {
      onRoom?.(true);
      await copy(reader, response, end.signal, options);
    }
  } catch {
    end.abort(); // Whoever was to read it is gone.
  } finally {
    onRoom?.(false);
    const isWhole = !end.signal.aborted || stopping?.aborted === true || response.req.method === "HEAD";
    end.abort();
    forget?.();
    end.release();
    await reader?.cancel().catch(() => undefined);
    if (isWhole && !response.destroyed) response.end();
    else response.destroy();
  }
}

async function copy(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  response: ServerResponse,
  signal: AbortSignal,
  { stallTimeoutMs, onRoom }: WebAnswerOptions,
): Promise<void> {
  for (;;) {
    const { done, value } = await untilAborted(reader.read(), signal);
    if (done) return;
    if (response.write(value)) continue;
    onRoom?.(false);
    await drained(response, signal, stallTimeoutMs);
    onRoom?.(true);
  }
}

/** @throws The reader took nothing for too long, or the answer has ended. */
async function drained(response: ServerResponse, signal: AbortSignal, stallTimeoutMs: number): Promise<void> {
  let wake = (): void => undefined;
  const drain = new Promise<void>((resolve) => {
    wake = resolve;
  });
  response.once("drain", wake);
  const until = new LinkedAbort(signal, stallTimeoutMs);
  try {
    await untilAborted(drain, until.signal);
  } finally {
    until.release();
    response.off("drain", wake);
  }
}

async function endWithKey(caller: StreamCaller, everyMs: number, end: LinkedAbort): Promise<void> {
  while (!end.signal.aborted) {
    await pause(everyMs, end.signal);
    if (end.signal.aborted) return;
    const isAdmitted = await caller.isAdmitted().catch(() => false);
    if (!isAdmitted) end.abort();
  }
}
