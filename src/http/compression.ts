import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { mayUnpackAtOnce, packed, unpackedAtOnce } from "../runtime/gzip.ts";
import { cutShort } from "./body.ts";
import { HttpProblem } from "./problem.ts";

/** Bytes below which compression costs more than it saves. */
const BYTES_MIN = 1_024;

/**
 * The body's bytes, inflated while they are read. The reader bounds what comes out and ends it at its limit; a stream of gzip
 * members gives 64 KiB at a time, so nothing beyond that is inflated.
 * A small body is inflated at once, as a whole, up to 256 KiB.
 * @param encoding of the header `content-encoding`. @param declaredBytes of the header `content-length`; undefined: none.
 * @throws {HttpProblem} 415: another encoding than gzip; 400: cut short, or no gzip.
 */
export async function inflate(
  source: Readable,
  encoding: string | undefined,
  declaredBytes: number | undefined,
): Promise<Readable | Buffer> {
  if (encoding === undefined || encoding === "identity") return source;
  if (encoding.toLowerCase() !== "gzip") {
    throw new HttpProblem(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be plain, or gzip (Content-Encoding: gzip)");
  }
  if (declaredBytes !== undefined && mayUnpackAtOnce(declaredBytes)) return inflatedAtOnce(await gathered(source));
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

/** A stream of what is too large for that. */
function inflatedAtOnce(bytes: Buffer): Readable | Buffer {
  try {
    const whole = unpackedAtOnce(bytes);
    if (whole !== null) return whole;
  } catch (error) {
    throw cutShort(error as Error);
  }
  const gunzip = createGunzip({ chunkSize: 65_536 });
  gunzip.end(bytes);
  return gunzip;
}

/** The bytes of a body that has as many as it declares. */
function gathered(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    source.on("data", (chunk: Buffer) => chunks.push(chunk));
    source.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    source.once("error", (error) => reject(cutShort(error)));
    source.once("close", () => reject(cutShort()));
  });
}

/** A text as gzip, where the caller accepts that and it is worth it; null: send it plain. */
export async function compressed(text: string, accepted: string | string[] | undefined): Promise<Buffer | null> {
  if (text.length < BYTES_MIN || !acceptsGzip(String(accepted ?? ""))) return null;
  return await packed(Buffer.from(text, "utf8"));
}

/** Whether a header `accept-encoding` names gzip. */
export function acceptsGzip(header: string): boolean {
  return header.split(",").some((part) => {
    const [name, ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    return name === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
