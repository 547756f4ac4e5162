import { ValidationError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { mapInTurns, Turns } from "../runtime/turns.ts";
import { HttpProblem } from "./problem.ts";
import type { Route, SchemaOf } from "./route.ts";

/** A part of a request as its schema makes it; undefined without a schema. @throws {HttpProblem} 400, with the field's path. */
export function checkedAddress(schema: SchemaOf | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema().safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = flawOf(parsed.error.issues);
  throw new HttpProblem(400, "MALFORMED_REQUEST", message, { members: { path } });
}

/**
 * A body as the route's schema makes it; undefined without one. The entries of a long list are checked one by one, over as many
 * turns of the event loop as that takes, and the first that is at fault ends it.
 * @param now milliseconds of a clock that never goes back.
 * @throws {ValidationError} with the field's path.
 */
export async function checkedBody(
  { body, bodyList }: Pick<Route, "body" | "bodyList">,
  value: unknown,
  now?: () => number,
): Promise<unknown> {
  if (body === undefined) return undefined;
  if (bodyList === undefined || !isObject(value)) return checked(body, value);
  const { field, lengthMax, entry, rest } = bodyList;
  const list = Object.hasOwn(value, field) ? value[field] : undefined;
  // What is wrong with the list as such is found by the body's schema, before it looks at an entry.
  if (!Array.isArray(list) || list.length === 0 || list.length > lengthMax) return checked(body, value);
  const entries = await mapInTurns(list, (given, index) => checked(entry, given, [field, index]), new Turns(now));
  return { ...(checked(rest, value) as object), [field]: entries };
}

function checked(schema: SchemaOf, value: unknown, within: readonly PropertyKey[] = []): unknown {
  const parsed = schema().safeParse(value);
  if (parsed.success) return parsed.data;
  throw flawOf(parsed.error.issues, within);
}

/** The first issue. The error cuts names that come from the caller. */
function flawOf(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
  within: readonly PropertyKey[] = [],
): ValidationError {
  const [issue] = issues;
  const path = [...within, ...(issue?.path ?? [])].map(String).join(".");
  return new ValidationError(path, issue?.message ?? "is not valid");
}
