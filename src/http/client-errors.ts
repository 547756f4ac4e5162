import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Log } from "../index.ts";
import { newUlid } from "../runtime/ulid.ts";
import { HttpProblem, MEDIA_TYPE_PROBLEM, problemDocument, titleOf } from "./problem.ts";

/** A response of Node's that a socket is busy with. */
type BusySocket = Socket & { _httpMessage?: { readonly headersSent: boolean } | null };

/**
 * Answers a request that Node refuses before the framework sees it: malformed HTTP, headers that are too large or too late.
 * Such answers are problem documents too.
 */
export function answerClientError(log: Log, error: NodeJS.ErrnoException, socket: BusySocket): void {
  // A response that has begun cannot become another one; a reset connection takes none.
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  const id = newUlid();
  const problem = problemOf(error);
  log.info({ requestId: id, status: problem.status, error: error.code ?? error.message }, "http.client_error");
  const body = JSON.stringify(problemDocument(problem, id));
  const head = [
    `HTTP/1.1 ${problem.status} ${titleOf(problem.status)}`,
    ...Object.entries(headersOf(body, id)).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Answers a request with another expectation than 100-continue. */
export function answerExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const id = newUlid();
  const problem = new HttpProblem(417, "MALFORMED_REQUEST", "of all expectations only 100-continue can be met");
  const body = JSON.stringify(problemDocument(problem, id));
  response.writeHead(problem.status, headersOf(body, id)).end(body);
}

function headersOf(body: string, id: string): Record<string, string> {
  return {
    "content-type": MEDIA_TYPE_PROBLEM,
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": id,
    connection: "close",
  };
}

function problemOf({ code }: NodeJS.ErrnoException): HttpProblem {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new HttpProblem(408, "REQUEST_TIMEOUT", "the request did not arrive in time", { retryable: true });
    case "HPE_HEADER_OVERFLOW":
      return new HttpProblem(431, "MALFORMED_REQUEST", "address and headers together are longer than 16 KiB");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new HttpProblem(413, "BODY_TOO_LARGE", "the extensions of the body's chunks are too long");
    default:
      return new HttpProblem(400, "MALFORMED_REQUEST", "the request is not valid HTTP/1.1");
  }
}
