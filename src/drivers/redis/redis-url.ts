import { readFileSync } from "node:fs";
import { ConfigurationError } from "../../domain/errors.ts";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Null: no TLS. `ca`: the certificate of a private authority. */
  readonly tls: { readonly ca?: Buffer } | null;
}

/** The address of Redis: one server, a primary found through sentinels, or a cluster with some of its nodes. */
export type RedisTarget =
  | { readonly kind: "server"; readonly url: string; readonly tls: Credentials["tls"] }
  | (Credentials & {
      readonly kind: "sentinel";
      readonly sentinels: readonly RedisAddress[];
      readonly master: string;
      readonly database: number;
      readonly sentinelUsername: string | undefined;
      readonly sentinelPassword: string | undefined;
    })
  | (Credentials & { readonly kind: "cluster"; readonly nodes: readonly RedisAddress[] });

/** Protocols that `parseRedisUrl` reads. A second `s` stands for TLS to the servers (and to the sentinels). */
export const REDIS_PROTOCOLS = [
  "redis",
  "rediss",
  "redis+sentinel",
  "rediss+sentinel",
  "redis+cluster",
  "rediss+cluster",
] as const;

const URL_PARTS = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST_PARTS = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;

/**
 * The URL of one server is passed to ioredis as it is, after a check: ioredis parses it. Its parser knows neither of the
 * other forms, and takes every unknown protocol for the path of a socket (`redis+cluster://h:7001` becomes the host
 * `redis+cluster`), so those are read here.
 *
 * Reads `redis://user:password@host:port/number`, `redis+sentinel://user:password@host1:port,host2:port/master/number`
 * (with `?sentinelUsername=…&sentinelPassword=…` where the sentinels ask for one), and
 * `redis+cluster://user:password@host1:port,host2:port`. With TLS, `?tlsCa=file` names the certificate of a private
 * authority; it is read here.
 * @throws {ConfigurationError} The message does not repeat the URL, which may hold a password.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const parts = URL_PARTS.exec(url);
  if (parts === null) throw new ConfigurationError(EXPECTED);
  const [, protocol = "", mode, credentials = "", hosts = "", path = "", query = ""] = parts;
  const parameters = new URLSearchParams(query);
  const tls = protocol === "rediss" ? tlsOptions(parameters.get("tlsCa")) : null;
  if (mode === undefined) {
    if (!URL.canParse(url)) throw new ConfigurationError(EXPECTED);
    const plain = new URL(url);
    plain.searchParams.delete("tlsCa");
    return { kind: "server", url: parameters.has("tlsCa") ? plain.href : url, tls };
  }
  const colon = credentials.indexOf(":");
  const decoded = (text: string): string | undefined => (text === "" ? undefined : decode(text));
  const own = {
    username: decoded(colon < 0 ? credentials : credentials.slice(0, colon)),
    password: decoded(colon < 0 ? "" : credentials.slice(colon + 1)),
    tls,
  };
  const [master = "", number, ...more] = path.split("/");
  if (mode === "cluster") {
    if (path !== "" && path !== "0") {
      throw new ConfigurationError("a Redis cluster has database 0 only: leave the path out of its URL");
    }
    return { kind: "cluster", ...own, nodes: addresses(hosts, 6_379) };
  }
  if (master === "" || more.length > 0 || !/^\d{0,5}$/.test(number ?? "")) {
    throw new ConfigurationError(
      "the path of a redis+sentinel URL names the master and may give a database: /mymaster or /mymaster/0",
    );
  }
  return {
    kind: "sentinel",
    ...own,
    sentinels: addresses(hosts, 26_379),
    master: decode(master),
    database: Number(number ?? 0),
    sentinelUsername: parameters.get("sentinelUsername") ?? undefined,
    sentinelPassword: parameters.get("sentinelPassword") ?? undefined,
  };
}

const EXPECTED =
  "expected a URL like redis://host:6379/0, rediss:// for TLS, redis+sentinel://host1:26379,host2:26379/master/0, or " +
  "redis+cluster://host1:6379,host2:6379, and special characters of user and password percent-encoded";

function tlsOptions(ca: string | null): { ca?: Buffer } {
  if (ca === null) return {};
  try {
    return { ca: readFileSync(ca) };
  } catch (cause) {
    throw new ConfigurationError(`tlsCa of the Redis URL cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function addresses(hosts: string, portByDefault: number): RedisAddress[] {
  return hosts.split(",").map((text) => {
    const [, host = "", port] = HOST_PARTS.exec(text) ?? [];
    const number = port === undefined ? portByDefault : Number(port);
    if (host === "" || number > 65_535) throw new ConfigurationError(EXPECTED);
    return { host: host.startsWith("[") ? host.slice(1, -1) : host, port: number };
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigurationError(EXPECTED);
  }
}
