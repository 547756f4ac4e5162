import { type Readable, Transform } from "node:stream";
import { TextDecoder } from "node:util";
import { HttpProblem } from "./problem.ts";

/** Deepest nesting of a body: a little more than a memory's metadata may have. */
const DEPTH_MAX = 120;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A JSON document. @throws {HttpProblem} 400. */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) throw malformed("the body is empty, but a JSON document is expected");
  // Checked first, because the parser recurses.
  if (mayBeDeep(bytes) && depthOf(bytes) > DEPTH_MAX)
    throw malformed(`the body is nested deeper than ${DEPTH_MAX} levels`);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(error instanceof SyntaxError ? `the body is not JSON: ${error.message}` : "the body is not UTF-8");
  }
}

/** Whether the body has enough brackets for the limit. Most bodies have few, and counting them is fast. */
function mayBeDeep(bytes: Buffer): boolean {
  let openers = 0;
  for (const bracket of [0x5b, 0x7b]) {
    for (let at = bytes.indexOf(bracket); at >= 0; at = bytes.indexOf(bracket, at + 1)) {
      if (++openers > DEPTH_MAX) return true;
    }
  }
  return false;
}

/** Deepest nesting of brackets outside of strings. */
function depthOf(bytes: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (inString) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
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
    if (!source.readableEnded) limiter.destroy(new Error("the caller hung up"));
  });
  return source.pipe(limiter);
}

function malformed(detail: string): HttpProblem {
  return new HttpProblem(400, "MALFORMED_REQUEST", detail);
}
