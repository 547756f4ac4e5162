import { ConfigurationError } from "../domain/errors.ts";
import { nearestName } from "../domain/nearest-name.ts";
import { optionLeaves } from "./parse.ts";

/** Names the settings file, as `--config` does. */
export const CONFIG_VARIABLE = "MNEMOSYNC_CONFIG";

/** Of the program rather than of the library: see `src/dev/`. */
const OTHER_VARIABLES = [CONFIG_VARIABLE, "MNEMOSYNC_CONTAINERS", "MNEMOSYNC_REDIS_SERVER"] as const;

const PREFIX = "MNEMOSYNC_";

/**
 * Variables that are none of the program's: those that definitions of connectors refer to, e.g. for the key of a service, whose names are
 * the operator's; and those of the project's tests, which start the program with them.
 */
const FOREIGN_PREFIXES = ["MNEMOSYNC_CONNECTOR_", "MNEMOSYNC_TEST_"] as const;

/** Variables that Kubernetes sets in every container for a service called mnemosync, or mnemosync-something. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//;

/**
 * Makes sure that every variable of ours is one that is read: a misspelt one would be ignored.
 * @throws {ConfigurationError} with the nearest known name, if one is near.
 */
export function checkEnvironment(environment: NodeJS.ProcessEnv): void {
  const known: string[] = [...optionLeaves().map((leaf) => leaf.environmentName), ...OTHER_VARIABLES];
  for (const [name, value = ""] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || known.includes(name)) continue;
    if (FOREIGN_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    if (SERVICE_LINK.test(name) || SERVICE_ADDRESS.test(value)) continue;
    const nearest = nearestName(name, known);
    const hint = nearest === null ? "mnemosync config lists the settings" : `did you mean ${nearest}?`;
    throw new ConfigurationError(`unknown environment variable ${name}; ${hint}`);
  }
}
