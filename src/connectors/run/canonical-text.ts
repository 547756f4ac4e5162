import canonicalize from "canonicalize";

/** Canonical JSON (RFC 8785): the order of keys makes no other text. */
export function canonicalText(value: object): string {
  return canonicalize(value) ?? "";
}
