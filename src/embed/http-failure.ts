/** Why one attempt gave no vectors, without the address: a phrase such as "answered 503: overloaded". */
export interface AttemptFailure {
  readonly what: string;
  readonly advice: string;
  readonly retryable: boolean;
  /** What the endpoint asked for. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** What an operator can do about a status, as the end of an error's message. */
export function adviceFor(status: number): string {
  if (status === 401 || status === 403) return "check apiKey, and that it may use this model";
  if (status === 404 || status === 405) return "check url and model";
  if (status === 413) return "lower batchSizeMax or batchLengthMax";
  if (status === 429) return "lower concurrency, or check the account's limits and quota";
  if (status >= 500 || status === 408 || status === 409 || status === 425) return "try again later";
  if (status >= 300 && status < 400) return "redirects are not followed: set url to where the endpoint has moved";
  return "check model, dimension and sendDimension, and whether a text is longer than the model takes";
}

/** fetch says "fetch failed" and keeps the reason (`connect ECONNREFUSED …`) in `cause`. */
export function innermostMessage(error: unknown): string {
  let innermost = error;
  for (let depth = 0; depth < 5 && innermost instanceof Error && innermost.cause instanceof Error; depth++) {
    innermost = innermost.cause;
  }
  return innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
}

/** Finds a secret in a text, also where JSON or an inspection has put backslashes into it. */
export function patternOf(secret: string): RegExp {
  const characters = [...secret].map((character) =>
    character === "\\" ? "\\\\+" : `\\\\*${character.replace(/[^A-Za-z0-9]/, "\\$&")}`,
  );
  return new RegExp(characters.join(""), "g");
}
