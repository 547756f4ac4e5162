/** Milliseconds that any call of a fault test may take: far above every deadline that is configured there. */
export const HANGING_MS = 60_000;

/**
 * The promise's outcome, never a rejection. One that does not settle in time is a failure of its own, by name.
 * @param what names the call, for the report.
 */
export async function settles<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs = HANGING_MS,
): Promise<PromiseSettledResult<T>> {
  const hanging = Symbol("hanging");
  const settled = Promise.allSettled([promise]);
  const stop = new AbortController();
  const [first] = await Promise.race([
    settled,
    pauseUntil(deadlineMs, stop.signal).then(() => [hanging] as [typeof hanging]),
  ]);
  stop.abort();
  if (first === hanging) throw new Error(`${what} hangs: it has not settled within ${deadlineMs} ms`);
  return first as PromiseSettledResult<T>;
}

/** The promise's value, or its rejection; one that hangs rejects by name. */
export async function inTime<T>(what: string, promise: Promise<T>, deadlineMs = HANGING_MS): Promise<T> {
  const result = await settles(what, promise, deadlineMs);
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

function pauseUntil(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
