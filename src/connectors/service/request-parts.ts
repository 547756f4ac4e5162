import * as z from "zod";
import { SECRET } from "../../domain/settings.ts";
import { ServiceError } from "./service-error.ts";

/** As the Fetch Standard takes a header's value: no line break, no character above U+00FF. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;

/** The setting of a key that is sent as a header. The refusal does not repeat the key. */
export function headerKey() {
  return z
    .string()
    .min(1)
    .refine((key) => HEADER_VALUE.test(key), "is sent as a header: expected characters up to U+00FF, and no line break")
    .optional()
    .meta(SECRET);
}

/** Whether a text can be one part of a path: half a character cannot, and `.` and `..` name another path. */
export function isPathPart(text: string): boolean {
  return text.isWellFormed() && text !== "." && text !== "..";
}

/** One part of a path, whatever characters it has. @throws {ServiceError} It cannot be one. */
export function pathPart(text: string): string {
  if (!isPathPart(text))
    throw new ServiceError("permanent", `${JSON.stringify(text)} can be no part of a path: nothing was asked for`);
  return encodeURIComponent(text);
}
