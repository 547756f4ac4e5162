import { LinkedAbort } from "../runtime/linked-abort.ts";
import { onAbort } from "../runtime/on-abort.ts";
import { keyLost, type StreamCaller, stopped } from "./event-stream.ts";
import type { Service } from "./route.ts";

/**
 * Runs the work of a request that may wait for news. While it may wait, it takes a place among the streams. It ends when the
 * caller hangs up or the service stops, and its answer is withheld from a key that was revoked while it waited.
 */
export async function whileHeld<Result>(
  request: StreamCaller,
  { stopping, streams }: Pick<Service, "stopping" | "streams">,
  waitMs: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (stopping.aborted) throw stopped();
  const held = waitMs > 0 ? streams.take(request) : null;
  const waiting = new LinkedAbort(request.signal);
  const forget = onAbort(stopping, () => waiting.abort(stopping.reason));
  try {
    const result = await work(waiting.signal);
    if (held !== null && !(await request.isAdmitted())) throw keyLost();
    return result;
  } catch (error) {
    throw stopping.aborted && waiting.signal.aborted ? stopped() : error;
  } finally {
    forget();
    waiting.release();
    held?.release();
  }
}
