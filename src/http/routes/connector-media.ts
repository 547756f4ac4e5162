import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { NotFoundError } from "../../index.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import { type AskedBytes, askedBytes } from "../byte-range.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, type RouteReply, route, type Service } from "../route.ts";
import { connectorParams } from "./connector-parts.ts";

const params = lazily(() =>
  connectorParams().extend({
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "expected a SHA-256 in hexadecimal: 64 of 0-9 a-f")
      .describe("As the metadata of the memory have it, under `media`"),
  }),
);

/** A type that a browser may be told. What it may be was checked when it came; here only its form counts. */
const CONTENT_TYPE = /^(audio|image)\/[a-z0-9][a-z0-9.+-]{0,63}(; ?codecs="?[a-z0-9.,+_ -]{1,64}"?)?$/i;

const bytes = { schema: () => z.string(), mediaType: "*/*" };

const readMedia = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/media/{sha256}",
  operationId: "getConnectorMedia",
  summary:
    "A sound or picture that a connector fetched, whole or one range of it, for keys of the namespace of a memory that refers to it. Its " +
    "type is the one that the service gave",
  access: { scope: "read" },
  params,
  requestHeaders: {
    Range: "One range of bytes. Several are answered by the whole file",
    "If-Range": "The ETag of the file that the range is of",
    "If-None-Match": "The ETag of a file that the caller has",
  },
  // A page that a caller is led to shows nothing of it, and runs nothing.
  responseHeaders: { "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox" },
  responses: {
    200: { description: "The file. It counts as an open stream of the key", ...bytes },
    206: { description: "The range that was asked for", ...bytes },
    304: { description: "The caller has it: a file never changes under its hash" },
    404: { description: "There is no such file, or no memory that the key may read refers to it" },
    416: { description: "The file has no such range: `content-range` has its length" },
  },
  async handle(request, service) {
    const { headers, identity, signal } = request;
    const { connectorId, sha256 } = request.params;
    const { namespaces } = identity;
    const kept = await service.sync.connectors.media(connectorId, sha256, { namespaces, signal });
    const etag = `"${sha256}"`;
    if (headers["if-none-match"] === etag) return { status: 304, headers: { etag } };
    const asked = askedBytes(rangeOf(headers, etag), kept.bytes);
    if (asked === "none")
      throw new HttpProblem(416, "VALIDATION", `the file has ${kept.bytes} bytes, and not this range of them`, {
        headers: { "content-range": `bytes */${kept.bytes}` },
      });
    const place = service.streams.take(request);
    let file: FileHandle;
    try {
      file = await open(kept.path, "r");
    } catch (error) {
      place.release();
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new NotFoundError("the file has just been removed");
      throw error;
    }
    const type = CONTENT_TYPE.test(kept.contentType) ? kept.contentType : "application/octet-stream";
    return {
      ...headOf(asked, kept.bytes, { etag, "content-type": type, "content-disposition": disposition(sha256, type) }),
      stream: (response) => void sent(response, file, { asked, service, signal }).finally(place.release),
    };
  },
});

/** A range of another content than the caller has is no use: it gets the file whole. */
function rangeOf(headers: IncomingHttpHeaders, etag: string): string | undefined {
  const condition = headers["if-range"];
  return condition === undefined || condition === etag ? headers.range : undefined;
}

function headOf(asked: AskedBytes, size: number, headers: Readonly<Record<string, string>>): RouteReply {
  const common = { ...headers, "accept-ranges": "bytes" };
  if (typeof asked === "string") return { status: 200, headers: { ...common, "content-length": String(size) } };
  const { start, end } = asked;
  const range = { "content-range": `bytes ${start}-${end}/${size}`, "content-length": String(end - start + 1) };
  return { status: 206, headers: { ...common, ...range } };
}

/** Never shown within the service's own origin: what a service calls a picture need not be one. */
function disposition(sha256: string, type: string): string {
  const [, ending = "bin"] = /^\w+\/(?:x-)?([a-z0-9]{1,8})/i.exec(type) ?? [];
  return `attachment; filename="${sha256.slice(0, 16)}.${type.startsWith("application/") ? "bin" : ending}"`;
}

interface Sending {
  readonly asked: AskedBytes;
  readonly service: Service;
  readonly signal: AbortSignal;
}

/** Writes the bytes at the reader's pace, and closes the file. One who takes nothing for the time of a stalled stream is cut off. Never rejects. */
async function sent(response: ServerResponse, file: FileHandle, { asked, service, signal }: Sending): Promise<void> {
  const { stallTimeoutMs, stopping, log } = service;
  const cut = (why: string): void => {
    log.warn({ error: why }, "http.media_cut_short");
    response.destroy(); // The reader sees that bytes are missing: their number was told first.
  };
  const forget = onAbort(stopping, () => cut("the service is stopping"));
  try {
    if (response.req.method !== "HEAD") {
      const range = typeof asked === "string" ? {} : asked;
      for await (const chunk of file.createReadStream({ ...range, autoClose: false })) {
        signal.throwIfAborted();
        if (!response.write(chunk)) await drained(response, signal, stallTimeoutMs, cut);
      }
    }
    response.end();
  } catch (error) {
    if (signal.aborted) response.destroy();
    else cut((error as Error).message);
  } finally {
    forget();
    await file.close().catch((error: Error) => log.warn({ error: error.message }, "http.media_cut_short"));
  }
}

/** @throws the reason of `signal`, which fires when the connection is closed, by whomever. */
async function drained(
  response: ServerResponse,
  signal: AbortSignal,
  stallTimeoutMs: number,
  cut: (why: string) => void,
): Promise<void> {
  const stall = setTimeout(() => cut(`the reader took nothing for ${stallTimeoutMs} ms`), stallTimeoutMs);
  try {
    await once(response, "drain", { signal });
  } finally {
    clearTimeout(stall);
  }
}

export const mediaRoutes: readonly Route[] = [readMedia];
