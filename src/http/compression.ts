import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { createGunzip, gzip } from "node:zlib";
import { HttpProblem } from "./problem.ts";

/** Bytes below which compression costs more than it saves. */
const BYTES_MIN = 1_024;
/** The fastest level: three quarters of what the slowest one saves, in a tenth of its time. */
const LEVEL = 1;

const pack = promisify(gzip);

/**
 * The body's bytes, inflated while they are read. The reader bounds what comes out and ends it at its limit; a stream of gzip
 * members gives 64 KiB at a time, so nothing beyond that is inflated.
 * @param encoding of the header `content-encoding`.
 * @throws {HttpProblem} 415: another encoding than gzip.
 */
export function inflate(source: Readable, encoding: string | undefined): Readable {
  if (encoding === undefined || encoding === "identity") return source;
  if (encoding.toLowerCase() !== "gzip") {
    throw new HttpProblem(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be plain, or gzip (Content-Encoding: gzip)");
  }
  const gunzip = createGunzip({ chunkSize: 65_536 });
  source.once("error", (error) => gunzip.destroy(error));
  // The caller hung up: the end that gunzip waits for does not come.
  source.once("close", () => {
    if (!source.readableEnded) gunzip.destroy(new Error("the caller hung up"));
  });
  // Once the reader has given up, the rest of the request is read and thrown away, so that the answer can be sent.
  gunzip.once("close", () => source.resume());
  return source.pipe(gunzip);
}

/** A text as gzip, where the caller accepts that and it is worth it; null: send it plain. */
export async function compressed(text: string, accepted: string | string[] | undefined): Promise<Buffer | null> {
  if (text.length < BYTES_MIN || !acceptsGzip(String(accepted ?? ""))) return null;
  return await pack(text, { level: LEVEL });
}

/** Whether a header `accept-encoding` names gzip. */
export function acceptsGzip(header: string): boolean {
  return header.split(",").some((part) => {
    const [name, ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    return name === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
