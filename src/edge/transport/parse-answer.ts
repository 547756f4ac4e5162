import type * as z from "zod";
import { HubError } from "../../hub/protocol/codes.ts";

/**
 * An answer of the hub.
 * @param plain knows ordinary answers, without the schema; null: it may be any other, or malformed.
 * @throws {HubError} It is none of this protocol.
 */
export function parseAnswer<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
  plain: (value: unknown) => z.output<Schema> | null = () => null,
): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (error) {
    throw new HubError("INTERNAL", "the hub's answer is no JSON: is there a hub at this address?", { cause: error });
  }
  const known = plain(value);
  if (known !== null) return known;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join(".");
  throw new HubError("INTERNAL", `the hub's answer is not of this protocol: ${where}: ${issue?.message}`);
}
