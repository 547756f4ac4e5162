/**
 * Fields that hold a secret or the content of a memory, by name and without regard to case. An event that names an access key
 * by its id logs it as `keyId`.
 */
const HIDDEN_FIELDS = new Set(
  [
    ...["password", "apiKey", "authorization", "token", "secret", "key"],
    ...["postgresUrl", "redisUrl", "url", "connectionString"],
    ...["content", "document", "documentJson", "data", "metadata", "embedding", "vector", "query"],
  ].map((name) => name.toLowerCase()),
);

const HIDDEN = "[redacted]";
const DEPTH_MAX = 5;

/**
 * User and password of an address within a text, as drivers put them into their messages; up to the last `@` of the
 * authority, since passwords are not always percent-encoded. The scheme is not part of the pattern: a search for it costs
 * quadratic time on a long text of letters without `://`. Each run after a `://` ends at the next `/`, so no character is
 * looked at in two runs.
 */
const CREDENTIALS = /:\/\/[^\s/"]*@/g;

/** A copy of an event's fields in which secrets and the content of memories are hidden. */
export function redactedFields(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return value.replace(CREDENTIALS, `://${HIDDEN}@`);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) {
    const { name, message, stack } = value;
    return { type: name, message: redactedFields(message), code: codeOf(value), stack: redactedFields(stack) };
  }
  if (depth >= DEPTH_MAX || ArrayBuffer.isView(value)) return HIDDEN;
  if (Array.isArray(value)) return value.map((item) => redactedFields(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      HIDDEN_FIELDS.has(name.toLowerCase()) ? HIDDEN : redactedFields(item, depth + 1),
    ]),
  );
}

function codeOf(error: Error): unknown {
  return (error as { code?: unknown }).code;
}
