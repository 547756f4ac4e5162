import { ValidationError } from "../../domain/errors.ts";
import { isObject } from "../../domain/json.ts";
import { lazily } from "../../domain/lazily.ts";
import { lightRagSettings } from "../lightrag/settings.ts";
import { memorySpaceSettings } from "../memory-space/settings.ts";
import { isReference } from "./references.ts";

/** Stands for a secret that is set. In a definition that replaces another one it keeps the secret as it is. */
export const HIDDEN = "(hidden)";

/** Fields that are secret, wherever they stand: also in a definition that is not valid. Addresses are shown: none has a password. */
const secretFields = lazily(
  (): ReadonlySet<string> =>
    new Set([...secretsOf(memorySpaceSettings().shape), ...secretsOf(lightRagSettings().shape)]),
);

/** Secrets of a definition by their places, e.g. `from.apiKey`. */
export type Secrets = Readonly<Record<string, string>>;

/** A definition as it is given, unchecked, without its secrets, and these. What names a variable is no secret. */
export function withoutSecrets(input: Record<string, unknown>): {
  readonly definition: Record<string, unknown>;
  readonly secrets: Secrets;
} {
  const secrets: Record<string, string> = {};
  const definition = replaced(input, (place, value) => {
    if (isReference(value)) return value;
    secrets[place] = value;
    return HIDDEN;
  });
  return { definition, secrets };
}

/** Puts secrets back in their places. One that is not there stays as it is: `HIDDEN`, which is then refused as a key. */
export function withSecrets(definition: Record<string, unknown>, secrets: Secrets): Record<string, unknown> {
  return replaced(definition, (place, value) => (value === HIDDEN ? (secrets[place] ?? value) : value));
}

/**
 * A secret is kept for the service that it was given for: else whoever may change an address would have it sent to a service of his own.
 * @throws {ValidationError} A secret reads `(hidden)`, and its service has another address, or is of another kind, than before.
 */
export function assertOwnAddresses(definition: Record<string, unknown>, before: Record<string, unknown>): void {
  for (const [place, text] of Object.entries(withoutSecrets(definition).secrets)) {
    const [side = ""] = place.split(".");
    if (text !== HIDDEN || addressOf(definition[side]) === addressOf(before[side])) continue;
    throw new ValidationError(
      place,
      `${HIDDEN} keeps a secret for the address that it was given for, and the address is another one now: give the secret again`,
    );
  }
}

function addressOf(side: unknown): string {
  if (!isObject(side)) return "";
  const { type, url } = side;
  return JSON.stringify([type, typeof url === "string" && URL.canParse(url) ? new URL(url).href : url]);
}

function replaced(
  definition: Record<string, unknown>,
  replace: (place: string, value: string) => string,
  path = "",
): Record<string, unknown> {
  const fields = Object.entries(definition).map(([name, value]) => {
    const place = path === "" ? name : `${path}.${name}`;
    if (isObject(value)) return [name, replaced(value, replace, place)];
    return [name, secretFields().has(name) && typeof value === "string" ? replace(place, value) : value];
  });
  return Object.fromEntries(fields) as Record<string, unknown>;
}

function secretsOf(shape: Readonly<Record<string, { meta(): Record<string, unknown> | undefined }>>): string[] {
  return Object.entries(shape).flatMap(([name, field]) =>
    field.meta()?.secret === true && name !== "url" ? [name] : [],
  );
}
