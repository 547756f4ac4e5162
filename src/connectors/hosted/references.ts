import { ConfigurationError } from "../../domain/errors.ts";

/** `${NAME}`; with a second dollar sign before it, it stands for itself. */
const REFERENCE = /(\$?)\$\{([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Variables that a definition may name which was made over the API: a caller of the API must not read the others out by sending
 * them to a service of its own.
 */
export const API_VARIABLES = /^MNEMOSYNC_CONNECTOR_[A-Z0-9_]+$/;

/**
 * A definition with environment variables in the place of their names, in each of its texts.
 * @param allowed names that it may use; null: any.
 * @throws {ConfigurationError} A variable is not set, or may not be named. The message has the place, never a value.
 */
export function expanded(
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  allowed: RegExp | null,
  path = "",
): unknown {
  if (typeof value === "string") {
    return value.replace(REFERENCE, (whole, escaped: string, name: string) => {
      if (escaped !== "") return whole.slice(1);
      return variable(name, environment, allowed, path);
    });
  }
  if (Array.isArray(value))
    return value.map((each, index) => expanded(each, environment, allowed, `${path}[${index}]`));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      expanded(each, environment, allowed, path === "" ? name : `${path}.${name}`),
    ]),
  );
}

/** Whether a text is nothing but the name of a variable: then it is no secret itself. */
export function isReference(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text);
}

function variable(
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
  allowed: RegExp | null,
  path: string,
): string {
  const refuse = (why: string) => new ConfigurationError(`${path}: \${${name}} ${why}`);
  if (!NAME.test(name)) throw refuse("names no environment variable: $${…} stands for the text itself");
  if (allowed !== null && !allowed.test(name))
    throw refuse("may not be used: over the API a connector names variables that begin with MNEMOSYNC_CONNECTOR_");
  const value = environment[name];
  if (value === undefined || value === "") throw refuse("is not set in the environment of this process");
  return value;
}
