/** A request as it is told beside a slow look at `/healthz`. Times are milliseconds since 1970. */
export interface SentRequest {
  readonly text: string;
  readonly bytes: number;
  readonly begunAt: number;
  /** Null: it is under way. */
  endedAt: number | null;
}

/** Milliseconds for which requests are kept after their end: longer than a slow look is told late. */
const KEPT_MS = 2_000;

const now = (): number => performance.timeOrigin + performance.now();

/** The requests that are under way, and those that were a moment ago. */
export class UnderWay {
  #requests = new Set<SentRequest>();
  #prunedAt = 0;

  /** @returns ends the request. */
  begin(text: string, bytes: number): () => void {
    const request: SentRequest = { text, bytes, begunAt: now(), endedAt: null };
    this.#requests.add(request);
    return () => {
      request.endedAt = now();
      this.#prune(request.endedAt);
    };
  }

  /** Those that were under way at some time between the two, the largest and then the slowest first. */
  between(from: number, to: number, limit: number): SentRequest[] {
    const met = [...this.#requests].filter(
      ({ begunAt, endedAt }) => begunAt <= to && (endedAt === null || endedAt >= from),
    );
    return met.sort((a, b) => b.bytes - a.bytes || lasted(b) - lasted(a)).slice(0, limit);
  }

  #prune(at: number): void {
    if (at - this.#prunedAt < KEPT_MS) return;
    this.#prunedAt = at;
    for (const request of this.#requests) {
      if (request.endedAt !== null && at - request.endedAt > KEPT_MS) this.#requests.delete(request);
    }
  }
}

export function lasted({ begunAt, endedAt }: SentRequest): number {
  return (endedAt ?? now()) - begunAt;
}
