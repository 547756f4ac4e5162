import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import { onAbort } from "../../runtime/on-abort.ts";

/** Where one server listens, as the driver tells it. */
export interface ServerAddress {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** A Unix socket, in place of host and port. */
  readonly path?: string | false;
}

/** How TLS is spoken to a server. */
export interface TlsSettings {
  readonly options: ConnectionOptions;
  /** Whether a server that offers no TLS is spoken to in clear text. */
  readonly isOptional: boolean;
  /** Whether the handshake begins at once, without a question before it. */
  readonly isDirect: boolean;
}

/** What the driver made of the URL, of the options that it was given and of its environment variables. */
export interface DriverTls {
  /** False or empty: no TLS. The name of an `sslmode`, or options of `tls.connect`. */
  readonly ssl?: unknown;
  readonly sslnegotiation?: unknown;
}

/** The driver's meaning of each `sslmode`. Null: no TLS. */
export function tlsSettings({ ssl, sslnegotiation }: DriverTls): TlsSettings | null {
  if (!ssl) return null;
  const isOptional = ssl === "prefer" || ssl === "allow";
  const isUnverified = isOptional || ssl === "require";
  return {
    options: isUnverified ? { rejectUnauthorized: false } : typeof ssl === "object" ? ssl : {},
    isOptional,
    isDirect: sslnegotiation === "direct",
  };
}

/**
 * Opens a link to a server, over TLS where `tls` asks for it: TLS is negotiated here rather than by the driver, which
 * would take the listeners from the socket and write to another one, so that nobody noticed the end of the link.
 *
 * A socket without Nagle's algorithm (TCP_NODELAY), which the driver leaves on: a COPY is many small messages, and each
 * batch would wait 40 ms for the server's delayed acknowledgement.
 * @param timeoutMs for all of it: TCP, the question for TLS, and the handshake.
 * @returns a socket that is destroyed by each of its errors; none of them is uncaught, whoever else listens.
 * @throws the socket's error, one with the code CONNECT_TIMEOUT, CONNECTION_CLOSED or TLS_NOT_OFFERED or an SQLSTATE of class 08, or
 *   the reason of `signal`. Nothing is left open then.
 */
export async function openSocket(
  address: ServerAddress,
  tls: TlsSettings | null,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  const host = address.host[0] ?? "localhost";
  const port = address.port[0] ?? 5432;
  const opening = new LinkedAbort(signal, timeoutMs);
  const tcp = address.path ? connectTcp({ path: address.path }) : connectTcp({ host, port, noDelay: true });
  tcp.on("error", leaveToClose);
  try {
    await next(tcp, "connect", opening.signal);
    tcp.setKeepAlive(true, 10_000);
    const isSecure = tls !== null && (tls.isDirect || (await agreeOnTls(tcp, tls, opening.signal)));
    const socket = isSecure ? await handshake(tcp, address.path ? null : host, tls, opening.signal) : tcp;
    // The driver names them in its errors.
    return Object.assign(socket, { host, port });
  } catch (error) {
    tcp.destroy();
    if (!opening.timedOut) throw error;
    throw failure("CONNECT_TIMEOUT", `no connection within ${timeoutMs} ms`, error);
  } finally {
    opening.release();
  }
}

/** PostgreSQL's SSLRequest: its length, and the number 80877103. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Asks the server whether it speaks TLS. Its answer is one byte. Whatever comes with it was put in by somebody between
 * (CVE-2021-23222): what is sent in clear text must not count as said under TLS.
 */
async function agreeOnTls(tcp: Socket, tls: TlsSettings, signal: AbortSignal): Promise<boolean> {
  const answering = next<Buffer>(tcp, "data", signal);
  tcp.write(SSL_REQUEST);
  const answer = await answering;
  const letter = String.fromCharCode(answer[0] ?? 0);
  if (letter === "E") {
    // Its text is not repeated: nobody vouches for it.
    throw failure("08001", "the server answered the request for TLS with an error; its log has the reason");
  }
  if (letter !== "S" && letter !== "N") {
    throw failure(
      "08P01",
      `the server answered the request for TLS with byte ${answer[0]}: expected S or N; ${NO_SERVER}`,
    );
  }
  if (answer.byteLength > 1) {
    const found = `the answer to the request for TLS came with ${answer.byteLength - 1} bytes behind it: expected none`;
    throw failure("08P01", `${found}, and somebody between may have put them in; ${NO_SERVER}`);
  }
  if (letter === "S") return true;
  if (tls.isOptional) return false;
  throw failure("TLS_NOT_OFFERED", NOT_OFFERED);
}

const NO_SERVER = "check that the URL has the address of PostgreSQL, and what stands between";

const NOT_OFFERED =
  "the server offers no TLS, and the URL asks for it: set ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf; or, " +
  "on a network that you trust and for Unix sockets, sslmode=disable in the URL";

async function handshake(tcp: Socket, host: string | null, tls: TlsSettings, signal: AbortSignal): Promise<Socket> {
  const socket = connectTls({
    socket: tcp,
    // No name for an IP address: RFC 6066, section 3.
    ...(host !== null && isIP(host) === 0 && { servername: host }),
    ...(tls.isDirect && { ALPNProtocols: ["postgresql"] }),
    ...tls.options,
  });
  // Bytes that are no TLS are an error that leaves the socket open, and nothing that follows can be read.
  socket.on("error", () => socket.destroy());
  try {
    await next(socket, "secureConnect", signal);
  } catch (error) {
    socket.destroy(); // Before the one beneath it, to which it would write otherwise.
    throw error;
  }
  return socket;
}

/**
 * Resolves with what comes with the next `event` of `socket`.
 * @throws the socket's error, one with the code CONNECTION_CLOSED, or the reason of `signal`.
 */
function next<T>(socket: Socket, event: "connect" | "data" | "secureConnect", signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      forget();
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
    };
    const onEvent = (value: T): void => {
      done();
      resolve(value);
    };
    const onError = (error: unknown): void => {
      done();
      reject(error);
    };
    const onClose = (): void =>
      onError(failure("CONNECTION_CLOSED", "the server closed the connection at its beginning"));
    const forget = onAbort(signal, () => onError(signal.reason));
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
    if (signal.aborted) onError(signal.reason);
  });
}

function failure(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code });
}

function leaveToClose(): void {
  // An error destroys the socket, and its owner watches for `close`. Without a listener it would end the process.
}
