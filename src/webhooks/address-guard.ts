import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.parse>;
type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** A receiver's address that may not be called. */
export class ForbiddenAddressError extends Error {
  override readonly name = "ForbiddenAddressError";
}

export interface AddressGuardOptions {
  /** Addresses and ranges that are allowed although they are private. */
  readonly allowed: readonly string[];
  /** All addresses of a name. @default by DNS, 3 s twice */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

const DNS_TIMEOUT_MS = 3_000;
const DNS_TRIES = 2;
/** Addresses of one name that are looked at. */
const ADDRESSES_MAX = 16;

/** A range, or a single address as a range of one; null for any other text. */
export function parseRange(text: string): Range | null {
  try {
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch {
    return null;
  }
}

/**
 * Keeps requests away from this machine and its network. An attacker chooses the receiver's name and its DNS records, so
 * the check is made on the addresses that the connection then uses: `lookup` is what the socket asks, and there is no second
 * question in which the name could have another address (DNS rebinding). A name with one forbidden address is refused as a
 * whole.
 */
export class AddressGuard {
  readonly #allowed: readonly Range[];
  readonly #resolve: (hostname: string) => Promise<readonly string[]>;

  constructor({ allowed, resolve = resolveByDns }: AddressGuardOptions) {
    this.#allowed = allowed.map(parseRange).filter((range) => range !== null);
    this.#resolve = resolve;
  }

  /**
   * Of the host of a URL, for names that need no look-up: a socket asks none for an address.
   * @throws {ForbiddenAddressError}
   */
  assertHost(hostname: string): void {
    const host = hostname.replace(/^\[|\]$/g, "");
    if (ipaddr.isValid(host)) this.#assertAllowed(host, host);
  }

  /** Whether the address is public, or allowed. */
  permits(text: string): boolean {
    if (!ipaddr.isValid(text)) return false;
    const given = ipaddr.parse(text);
    return embeddedAddresses(given).every((address) => this.#permits(address));
  }

  /** For a socket, in place of `dns.lookup`. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#addressesOf(hostname).then(
      (addresses) => {
        if (options.all) return callback(null, addresses);
        const [first] = addresses;
        return callback(null, first?.address ?? "", first?.family ?? 0);
      },
      (error: NodeJS.ErrnoException) => callback(error, options.all ? [] : "", 0),
    );
  };

  async #addressesOf(hostname: string): Promise<{ address: string; family: number }[]> {
    const found = (await this.#resolve(hostname)).slice(0, ADDRESSES_MAX);
    if (found.length === 0) throw new Error(`${hostname} has no address`);
    for (const address of found) this.#assertAllowed(hostname, address);
    return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  }

  #assertAllowed(hostname: string, address: string): void {
    if (this.permits(address)) return;
    // The address stays untold: owners of subscriptions could ask for the names of this network.
    throw new ForbiddenAddressError(`${hostname} has an address that is not public, and that is not allowed here`);
  }

  #permits(address: Address): boolean {
    const isAllowed = this.#allowed.some(
      ([range, bits]) => range.kind() === address.kind() && address.match(range, bits),
    );
    return isAllowed || isPublic(address);
  }
}

/** IPv6 addresses that the Internet routes. Outside of it are forms that stand for IPv4 addresses, such as ::a00:1. */
const GLOBAL_UNICAST = ipaddr.parseCIDR("2000::/3");

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" || address.match(...GLOBAL_UNICAST);
}

/** The address, or the IPv4 address that it stands for: a gateway would carry the request there. */
function embeddedAddresses(address: Address): readonly Address[] {
  if (address.kind() === "ipv4") return [address];
  const ipv6 = address as InstanceType<typeof ipaddr.IPv6>;
  if (ipv6.isIPv4MappedAddress()) return [ipv6.toIPv4Address()];
  return [ipv6];
}

/** By DNS alone: the system's own look-up would occupy one of the few threads that the whole process has for files. */
async function resolveByDns(hostname: string): Promise<readonly string[]> {
  if (hostname === "localhost") return ["127.0.0.1", "::1"];
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = [four, six].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (found.length === 0 && four.status === "rejected") throw four.reason;
  return found;
}
