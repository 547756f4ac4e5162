import type { Sql } from "./postgres-access.ts";

/** Templates whose origin is text by now. */
const released = new WeakSet<TemplateStringsArray>();

/**
 * The same client, which can be collected once it is not used any more. The driver (3.4) keeps an error for each place in the
 * program that makes a statement, for good, and an error whose stack was not read holds the functions on its stack: the
 * client that was the first one there, with its connection, buffers and prepared statements. Connections are destroyed
 * whenever a caller gives up, so hundreds of them stayed in memory. Reading the stack once makes text of it.
 */
export function withReleasedOrigins(sql: Sql): Sql {
  const call = sql as unknown as (first: unknown, ...rest: unknown[]) => unknown;
  const client = (first: unknown, ...rest: unknown[]): unknown => {
    const made = call(first, ...rest);
    if (isTemplate(first) && !released.has(first)) {
      released.add(first);
      void (made as { origin: unknown }).origin;
    }
    return made;
  };
  return Object.setPrototypeOf(client, sql) as Sql;
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && "raw" in value;
}
