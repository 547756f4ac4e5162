import { readFileSync } from "node:fs";
import { type ConnectionOptions, checkServerIdentity } from "node:tls";
import { ConfigurationError } from "../../domain/errors.ts";

/** Which servers of a list are accepted; names and meanings are libpq's. */
export const SESSION_ATTRIBUTES = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const;
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

/** One server of a connection URL. */
export interface PostgresTarget {
  /** For messages: no user, no password. */
  readonly name: string;
  /** The URL for the driver: one host, and only parameters that it knows. */
  readonly url: string;
  /** Set where the driver cannot read the host from the URL: IPv6. */
  readonly address: { readonly host: string; readonly port: number } | null;
  readonly ssl: ConnectionOptions | null;
}

export interface PostgresTargets {
  readonly targets: readonly PostgresTarget[];
  readonly sessionAttributes: SessionAttributes;
}

const URL_PARTS = /^(postgres(?:ql)?:\/\/)((?:[^@/?#]*@)?)([^/?#]*)([^?#]*)(?:\?([^#]*))?$/;
const HOST_PARTS = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*)(?::(\d{1,5}))?$/;

/** Parameters that name files, which the driver does not read. */
const FILE_PARAMETERS = ["sslrootcert", "sslcert", "sslkey"] as const;

/**
 * Reads `postgres://user:password@host1:port,host2:port/database?target_session_attrs=read-write&sslmode=verify-full&
 * sslrootcert=file`. Certificates are read from their files here. It cuts a list into URLs of one host each and takes out
 * what the driver does not know; the driver parses the rest.
 *
 * `pg-connection-string` (2.14) does not serve instead: it refuses a list with ports ("Invalid URL"), accepts `h1,,h2` and
 * `mysql://`, and treats `require` and `verify-ca` as `verify-full`, with a warning of the process.
 * @throws {ConfigurationError} The message does not repeat the URL, which may hold a password.
 */
export function parsePostgresUrl(url: string): PostgresTargets {
  const parts = URL_PARTS.exec(url);
  if (parts === null) throw new ConfigurationError(EXPECTED);
  const [, protocol = "", credentials = "", hosts = "", path = "", query = ""] = parts;
  const parameters = new URLSearchParams(query);
  const attributes = parameters.get("target_session_attrs") ?? "any";
  if (!SESSION_ATTRIBUTES.includes(attributes as SessionAttributes)) {
    throw new ConfigurationError(
      `target_session_attrs is ${JSON.stringify(attributes)}, and must be one of ${SESSION_ATTRIBUTES.join(", ")}`,
    );
  }
  parameters.delete("target_session_attrs");
  const files = FILE_PARAMETERS.map((name) => parameters.get(name));
  const mode = parameters.get("sslmode");
  const effectiveMode = files[0] === "system" ? "verify-full" : mode;
  const isOurs = files.some((file) => file !== null) || effectiveMode?.startsWith("verify-") === true;
  if (isOurs) for (const name of ["sslmode", ...FILE_PARAMETERS]) parameters.delete(name);
  const rest = parameters.size === 0 ? "" : `?${parameters}`;
  const targets = hosts.split(",").map((text): PostgresTarget => {
    const [whole, host = "", port] = HOST_PARTS.exec(text) ?? [];
    if (whole === undefined || Number(port ?? 0) > 65_535 || (host === "" && hosts.includes(","))) {
      throw new ConfigurationError(EXPECTED);
    }
    const bare = decodeHost(host);
    const isIpv6 = host.startsWith("[");
    const address = isIpv6 ? { host: host.slice(1, -1), port: Number(port ?? 5_432) } : null;
    return {
      name: `${bare || "localhost"}:${port ?? 5_432}`,
      url: `${protocol}${credentials}${isIpv6 ? "localhost" : host}${port === undefined ? "" : `:${port}`}${path}${rest}`,
      address,
      ssl: isOurs ? tlsOptions(effectiveMode, files, isIpv6 ? host.slice(1, -1) : bare || "localhost") : null,
    };
  });
  return { targets, sessionAttributes: attributes as SessionAttributes };
}

const EXPECTED =
  "expected a URL like postgres://user:password@host:5432/database, or with hosts host1:5432,host2:5432, and special " +
  "characters of user and password percent-encoded";

function decodeHost(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    throw new ConfigurationError(EXPECTED);
  }
}

function tlsOptions(mode: string | null, [ca, cert, key]: readonly (string | null)[], host: string): ConnectionOptions {
  const read = (name: string, path: string | null | undefined): Buffer | undefined => {
    if (path == null || path === "system") return undefined;
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new ConfigurationError(`${name} of the Postgres URL cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  const authority = read("sslrootcert", ca);
  const certificate = read("sslcert", cert);
  const privateKey = read("sslkey", key);
  // As libpq has it: with a root certificate, `require` checks the chain as `verify-ca` does.
  const verifies = mode === "verify-full" || mode === "verify-ca" || authority !== undefined;
  return {
    ...(authority && { ca: authority }),
    ...(certificate && { cert: certificate }),
    ...(privateKey && { key: privateKey }),
    rejectUnauthorized: verifies,
    // The driver would check the certificate of an IP address against the name localhost.
    checkServerIdentity: (_, peer) => (mode === "verify-full" ? checkServerIdentity(host, peer) : undefined),
  };
}
