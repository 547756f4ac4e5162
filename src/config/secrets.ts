import * as z from "zod";

const HIDDEN = "(hidden)";

/** Whether a part of the values of `schema` must not be printed. */
export function hasSecrets(schema: z.ZodType): boolean {
  if (isSecret(schema)) return true;
  if (schema instanceof z.ZodArray) return hasSecrets(schema.element as z.ZodType);
  if (schema instanceof z.ZodObject) return Object.values(schema.shape).some((field) => hasSecrets(field as z.ZodType));
  return false;
}

/** `value` without its secrets. An address keeps everything but its password and its parameters. */
export function shownValue(schema: z.ZodType, value: unknown, secret = isSecret(schema)): unknown {
  if (secret) return typeof value === "string" ? shownAddress(value) : HIDDEN;
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => shownValue(schema.element as z.ZodType, item));
  }
  if (schema instanceof z.ZodObject && typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([name, part]) => {
      const field = schema.shape[name] as z.ZodType | undefined;
      return [name, field === undefined ? part : shownValue(field, part)];
    });
    return Object.fromEntries(fields);
  }
  return value;
}

function isSecret(schema: z.ZodType): boolean {
  return schema.meta()?.secret === true;
}

function shownAddress(text: string): string {
  if (!URL.canParse(text)) return HIDDEN;
  const url = new URL(text);
  if (url.host === "") return HIDDEN; // No address: a token that happens to contain a colon.
  const user = url.username === "" && url.password === "" ? "" : `${url.username}${url.password && `:${HIDDEN}`}@`;
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === "" ? "" : `?${HIDDEN}`}`;
}
