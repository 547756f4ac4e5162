import { isDeepStrictEqual } from "node:util";
import type { FastifyRequest } from "fastify";
import { hasScope, type Identity, type KeyRing, mayTouch } from "./keys.ts";
import { HttpProblem } from "./problem.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { Access, HttpOptions } from "./route.ts";

/** Requests without a valid key, per address. Guessing a key is hopeless; the limit keeps the attempts cheap for us. */
const FAILURES_PER_SECOND = 5;
const FAILURES_BURST = 50;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** The identity of every caller where the service requires no keys. */
const ANYBODY: Identity = { id: "anybody", owner: "anybody", scope: "admin", namespaces: null };

/** Identifies the caller of a request and decides whether the request may pass, before its body is read. */
export class Guard {
  readonly #keys: KeyRing | null;
  readonly #requests: RateLimiter;
  readonly #failures: RateLimiter;
  readonly #origins: ReadonlySet<string>;

  /** @param keys null: the service requires no keys. */
  constructor(keys: KeyRing | null, options: HttpOptions) {
    this.#keys = keys;
    this.#requests = new RateLimiter(options.rateLimitPerSecond, options.rateLimitBurst);
    this.#failures = new RateLimiter(FAILURES_PER_SECOND, FAILURES_BURST);
    this.#origins = new Set(allowedOrigins(options));
  }

  /** @throws {HttpProblem} 401, 403 or 429. */
  async admit(request: FastifyRequest, access: Access): Promise<Identity> {
    if (access === "public") return ANYBODY;
    const identity = await this.#identify(request);
    const waitMs = this.#requests.take(identity.id);
    if (waitMs > 0) throw tooMany(waitMs, "requests of this key");
    const { scope, everywhere = false } = access;
    if (!hasScope(identity, scope)) {
      throw new HttpProblem(403, "FORBIDDEN", `the key's scope is ${identity.scope}, but the route needs ${scope}`);
    }
    if (everywhere && identity.namespaces !== null) {
      const detail = "the key is bound to namespaces, but the route concerns all of them";
      throw new HttpProblem(403, "FORBIDDEN", detail);
    }
    const { namespace } = request.params as { namespace?: string };
    if (namespace !== undefined && !mayTouch(identity, namespace)) {
      throw new HttpProblem(403, "FORBIDDEN", "the key is not bound to this namespace");
    }
    return identity;
  }

  /** Whether the key of an admitted request still has the same rights: not once it is revoked, expired or bound anew. */
  async stillAdmits(request: FastifyRequest): Promise<boolean> {
    if (this.#keys === null || request.identity === ANYBODY) return true;
    const key = keyOf(request);
    return key !== undefined && isDeepStrictEqual(await this.#keys.identify(key), request.identity);
  }

  async #identify(request: FastifyRequest): Promise<Identity> {
    if (this.#keys === null) {
      this.#refuseForeignPages(request);
      return ANYBODY;
    }
    const key = keyOf(request);
    const identity = key === undefined ? null : await this.#keys.identify(key);
    if (identity !== null) return identity;
    // Only failures are limited by address: a valid key passes whatever other callers behind that address do.
    const waitMs = this.#failures.take(request.ip);
    if (waitMs > 0) throw tooMany(waitMs, "requests without a valid key");
    const detail =
      key === undefined ? "the request needs a key: Authorization: Bearer mns_…" : "the key is unknown or expired";
    throw new HttpProblem(401, "UNAUTHENTICATED", detail, {
      headers: { "www-authenticate": 'Bearer realm="mnemosync"' },
    });
  }

  /** Without keys a page in the user's browser could call the service, by its loopback address or by DNS rebinding. */
  #refuseForeignPages(request: FastifyRequest): void {
    const { origin, host } = request.headers;
    // The console's own pages: by a loopback address, as the host is checked below. A rebound name is no such address.
    const isOwn = host !== undefined && origin === `http://${host}`;
    const isForeign = origin !== undefined && !isOwn && !this.#origins.has(origin);
    if (isForeign || request.headers["sec-fetch-site"] === "cross-site") {
      throw new HttpProblem(403, "FORBIDDEN", "a service without keys refuses calls from pages of other origins");
    }
    if (host !== undefined && !LOOPBACK.test(host)) {
      throw new HttpProblem(403, "FORBIDDEN", "a service without keys accepts calls by its loopback address only");
    }
  }
}

/** Origins whose pages may call the service, each by its exact name: a `*` allows none. */
export function allowedOrigins({ corsOrigins = "" }: HttpOptions): string[] {
  return corsOrigins
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "" && origin !== "*");
}

function keyOf({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S{1,256})$/i.exec(headers.authorization ?? "")?.[1];
}

function tooMany(waitMs: number, requests: string): HttpProblem {
  return new HttpProblem(429, "RATE_LIMITED", `too many ${requests}`, {
    retryable: true,
    headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1_000))) },
  });
}
