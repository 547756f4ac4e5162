import { type Readable, Transform } from "node:stream";
import { AbortedError } from "../domain/errors.ts";
import { type JsonFlaw, JsonMeter } from "../domain/json-meter.ts";
import type { BodyPlace } from "./body-memory.ts";
import { ListCutter, parseInTurns } from "./json-slices.ts";
import type { BodyLimits } from "./limits.ts";
import { HttpProblem } from "./problem.ts";

/**
 * Reads a JSON document and counts its parts while its bytes arrive: no parser sees a body that breaks a limit, and no
 * byte behind the first flaw is kept.
 * @param source a buffer: it is there as a whole.
 * @param declaredBytes the length that the request's headers announce; undefined: none.
 * @throws {HttpProblem} 400: no JSON; 413: too large; 503: no room for it now.
 */
export async function readJson(
  source: Readable | Buffer,
  declaredBytes: number | undefined,
  limits: BodyLimits,
  place: BodyPlace,
): Promise<unknown> {
  if (declaredBytes !== undefined && declaredBytes > limits.bytesMax) throw tooLong(limits.bytesMax);
  const cutter = new ListCutter();
  const chunks = source instanceof Uint8Array ? [source] : await receive(source, limits, place, cutter);
  if (source instanceof Uint8Array) requireWithin(source, limits, place, new JsonMeter(limits, cutter));
  return await parseJson(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks), cutter);
}

/** @throws {HttpProblem} As for a body that arrives. */
function requireWithin(body: Buffer, limits: BodyLimits, place: BodyPlace, meter: JsonMeter): void {
  const flaw = meter.add(body);
  if (body.length > limits.bytesMax) throw tooLong(limits.bytesMax);
  if (flaw !== null) throw flawed(flaw);
  place.add(body.length);
}

/** The whole body. Bytes after a flaw are discarded; the framework closes the connection with the answer. */
function receive(source: Readable, limits: BodyLimits, place: BodyPlace, cutter: ListCutter): Promise<Buffer[]> {
  const meter = new JsonMeter(limits, cutter);
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      source.off("data", take);
      source.resume();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      const flaw = meter.add(chunk);
      if (bytes > limits.bytesMax) fail(tooLong(limits.bytesMax));
      else if (flaw !== null) fail(flawed(flaw));
      else {
        try {
          place.add(chunk.length);
          chunks.push(chunk);
        } catch (error) {
          fail(error);
        }
      }
    };
    source.on("data", take);
    source.once("end", () => resolve(chunks));
    // The caller hung up, or its bytes are no HTTP: no reader is left for this answer, but it is no defect either.
    source.once("error", (error) => reject(cutShort(error)));
    source.once("close", () => reject(cutShort()));
  });
}

/** A JSON document within its limits. @throws {HttpProblem} 400. */
async function parseJson(bytes: Buffer, cutter: ListCutter): Promise<unknown> {
  if (bytes.length === 0) throw malformed("the body is empty, but a JSON document is expected");
  try {
    return await parseInTurns(bytes, cutter.list);
  } catch (error) {
    throw malformed(error instanceof SyntaxError ? `the body is not JSON: ${error.message}` : "the body is not UTF-8");
  }
}

/** `source`, but it fails with 413 once it is longer than `bytesMax`. */
export function limited(source: Readable, bytesMax: number): Readable {
  let bytes = 0;
  const limiter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= bytesMax) done(null, chunk);
      else
        done(
          new HttpProblem(
            413,
            "BODY_TOO_LARGE",
            `the stream is longer than ${bytesMax} bytes; the lines before that are written`,
          ),
        );
    },
  });
  source.once("error", (error) => limiter.destroy(error));
  source.once("close", () => {
    // The caller hung up: fail, so that no reader waits for more bytes.
    if (!source.readableEnded) limiter.destroy(new AbortedError("the request"));
  });
  return source.pipe(limiter);
}

function flawed({ limit, message }: JsonFlaw): HttpProblem {
  const detail = `the body is too large for this route: ${message}`;
  return limit === "depthMax" ? malformed(detail) : new HttpProblem(413, "BODY_TOO_LARGE", detail);
}

function tooLong(bytesMax: number): HttpProblem {
  const detail = `the body is longer than the ${bytesMax} bytes that this route takes`;
  return new HttpProblem(413, "BODY_TOO_LARGE", detail);
}

export function cutShort(reason?: Error): HttpProblem {
  return malformed(reason === undefined ? "the body was cut short" : `the body was cut short: ${reason.message}`);
}

function malformed(detail: string): HttpProblem {
  return new HttpProblem(400, "MALFORMED_REQUEST", detail);
}
