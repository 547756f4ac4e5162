import type * as z from "zod";
import { ConfigurationError, MnemosyncError, NotFoundError, ValidationError } from "../../domain/errors.ts";
import { isObject } from "../../domain/json.ts";
import { type BoxFault, SealedBox } from "../../runtime/sealed-box.ts";
import { CONNECTOR_ID, type ConnectorDefinition, connectorDefinition } from "../definition.ts";
import type { ConnectorSettings } from "../settings.ts";
import * as statements from "./definition-statements.ts";
import { assertOwnAddresses, HIDDEN, type Secrets, withoutSecrets, withSecrets } from "./hidden-secrets.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";
import { API_VARIABLES, expanded } from "./references.ts";
import { assertSchedules } from "./schedule-rhythm.ts";

/** A connector as it is defined. */
export interface DefinedConnector {
  readonly id: string;
  /** `settings`: in the settings file, and changed there only. */
  readonly origin: "settings" | "api";
  /** As it was given, with `(hidden)` in place of secrets. */
  readonly shown: Record<string, unknown>;
  /** Grows with each replacement; 0 in the settings file. */
  readonly revision: number;
  /** With the values of variables, secrets and defaults; null where it is not valid. Never shown. */
  readonly definition: ConnectorDefinition | null;
  /** Why it is not valid. */
  readonly invalid: string | null;
}

export interface DefinitionsParts extends LedgerAccess {
  readonly settings: Pick<ConnectorSettings, "secretKey" | "previousSecretKey"> & {
    readonly definitions: Readonly<Record<string, unknown>>;
  };
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Connectors that are made over the API, at most. */
const DEFINITIONS_MAX = 500;
const DEFINITION_BYTES_MAX = 65_536;

/** The connectors of the settings file, and those that were made over the API. */
export class Definitions {
  readonly #parts: DefinitionsParts;
  readonly #box: SealedBox;

  constructor(parts: DefinitionsParts) {
    this.#parts = parts;
    const { secretKey, previousSecretKey } = parts.settings;
    this.#box = new SealedBox([secretKey, previousSecretKey], noKey);
  }

  /** In the order of their ids. One of the settings file stands in the place of one of the same id. */
  async list(signal: AbortSignal): Promise<DefinedConnector[]> {
    const rows = await callLedger(this.#parts, signal, (sql) => statements.listDefinitions(sql, DEFINITIONS_MAX));
    const own = Object.keys(this.#parts.settings.definitions);
    return [
      ...own.map((id) => this.#ofSettings(id)),
      ...rows.filter(({ id }) => !own.includes(id)).map((row) => this.#ofRow(row)),
    ].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @throws {NotFoundError} */
  async get(id: string, signal: AbortSignal): Promise<DefinedConnector> {
    if (Object.hasOwn(this.#parts.settings.definitions, id)) return this.#ofSettings(id);
    const row = await callLedger(this.#parts, signal, (sql) => statements.readDefinition(sql, id));
    if (row === null) throw unknown(id);
    return this.#ofRow(row);
  }

  /** @throws {NotFoundError} @throws {ConfigurationError} The definition is not valid on this node. */
  async effective(id: string, signal: AbortSignal): Promise<ConnectorDefinition> {
    const { definition, invalid } = await this.get(id, signal);
    if (definition === null) throw new ConfigurationError(`connector ${id}: ${invalid}`);
    return definition;
  }

  /** @throws {ValidationError} {ConfigurationError} */
  async create(id: string, input: unknown, signal: AbortSignal): Promise<DefinedConnector> {
    if (!CONNECTOR_ID.test(id)) throw new ValidationError("id", "expected a-z, 0-9 and -, at most 63, not - first");
    this.#assertNotOfSettings(id);
    const row = await this.#rowOf(id, input, {});
    const revision = await callLedger(this.#parts, signal, (sql) =>
      statements.insertDefinition(sql, row, DEFINITIONS_MAX),
    );
    if (revision === null)
      throw new ConfigurationError(
        `there is a connector ${id} already, or ${DEFINITIONS_MAX} of them: nothing was made`,
      );
    return this.#ofRow({ ...row, revision });
  }

  /**
   * Replaces a definition. A secret that reads `(hidden)` stays as it is, while its service has the same address.
   * @param revision the one that is replaced; null: whichever there is. @throws as `create` @throws {NotFoundError}
   */
  async replace(id: string, input: unknown, revision: number | null, signal: AbortSignal): Promise<DefinedConnector> {
    this.#assertNotOfSettings(id);
    const before = await callLedger(this.#parts, signal, (sql) => statements.readDefinition(sql, id));
    if (before === null) throw unknown(id);
    if (isObject(input)) assertOwnAddresses(input, JSON.parse(before.definition) as Record<string, unknown>);
    const row = await this.#rowOf(id, input, this.#secretsOf(before));
    const replaced = await callLedger(this.#parts, signal, (sql) => statements.replaceDefinition(sql, row, revision));
    if (replaced === null)
      throw new ConfigurationError(`connector ${id} is at revision ${before.revision}, not ${revision}: read it again`);
    return this.#ofRow({ ...row, revision: replaced });
  }

  /** With all that is known of it. @throws {NotFoundError} @throws {ConfigurationError} It is of the settings file. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    this.#assertNotOfSettings(id);
    if (!(await callLedger(this.#parts, signal, (sql) => statements.removeDefinition(sql, id)))) throw unknown(id);
  }

  /** Checks the settings file's definitions. @throws {ConfigurationError} naming the first that is not valid. */
  async assertSettings(): Promise<void> {
    for (const id of Object.keys(this.#parts.settings.definitions)) {
      const { definition, invalid } = this.#ofSettings(id);
      const reason = definition === null ? invalid : await reasonAgainst(assertSchedules(definition));
      if (reason !== null) throw new ConfigurationError(`option connectors.definitions.${id}: ${reason}`);
    }
  }

  async #rowOf(id: string, input: unknown, kept: Secrets): Promise<statements.OwnFields> {
    if (!isObject(input)) throw new ValidationError("", "a definition is an object with from and to");
    const { definition, secrets } = withoutSecrets(input);
    const own = Object.fromEntries(
      Object.entries(secrets).map(([at, text]) => [at, text === HIDDEN ? kept[at] : text]),
    );
    const missing = Object.keys(own).find((place) => own[place] === undefined);
    if (missing !== undefined) throw new ValidationError(missing, `${HIDDEN} keeps a secret, and there is none`);
    const checked = this.#checked(withSecrets(definition, own as Secrets), API_VARIABLES);
    if (typeof checked === "string") throw new ValidationError("", checked);
    await assertSchedules(checked);
    if (checked.transform !== undefined && !["plain", "standard", "rich"].includes(checked.transform))
      throw new ValidationError(
        "transform",
        "a module is named in the settings file only: expected plain, standard or rich",
      );
    const text = JSON.stringify(definition);
    if (Buffer.byteLength(text) > DEFINITION_BYTES_MAX)
      throw new ValidationError("", `a definition has at most ${DEFINITION_BYTES_MAX} bytes`);
    const hasSecrets = Object.keys(own).length > 0;
    return { id, definition: text, secrets: hasSecrets ? this.#box.seal(JSON.stringify(own), id) : null };
  }

  #ofSettings(id: string): DefinedConnector {
    const input = this.#parts.settings.definitions[id];
    const base = { id, origin: "settings", revision: 0 } as const;
    if (!isObject(input))
      return { ...base, shown: {}, definition: null, invalid: "expected an object with from and to" };
    const shown = withoutSecrets(input).definition;
    const found = CONNECTOR_ID.test(id)
      ? this.#checked(input, null)
      : "the id has a-z, 0-9 and -, at most 63, not - first";
    return { ...base, shown, ...resultOf(found) };
  }

  #ofRow(row: statements.OwnFields & Pick<statements.DefinitionRow, "revision">): DefinedConnector {
    const shown = JSON.parse(row.definition) as Record<string, unknown>;
    let found: ConnectorDefinition | string;
    try {
      found = this.#checked(withSecrets(shown, this.#secretsOf(row)), API_VARIABLES);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      found = error.message;
    }
    return { id: row.id, origin: "api", revision: row.revision, shown, ...resultOf(found) };
  }

  #secretsOf({ id, secrets }: Pick<statements.DefinitionRow, "id" | "secrets">): Secrets {
    return secrets === null ? {} : (JSON.parse(this.#box.open(secrets, id)) as Secrets);
  }

  /** The definition, or why it is not valid: without any value of it, since it may be a secret. */
  #checked(input: Record<string, unknown>, allowed: RegExp | null): ConnectorDefinition | string {
    try {
      const parsed = connectorDefinition().safeParse(expanded(input, this.#parts.environment, allowed));
      if (parsed.success) return parsed.data;
      return parsed.error.issues.map((issue) => told(issue)).join("; ");
    } catch (error) {
      if (error instanceof MnemosyncError) return error.message;
      throw error;
    }
  }

  #assertNotOfSettings(id: string): void {
    if (Object.hasOwn(this.#parts.settings.definitions, id))
      throw new ConfigurationError(`connector ${id} is defined in the settings file: change it there`);
  }
}

/** Why the checks refuse a value; null: they do not. */
async function reasonAgainst(checks: Promise<void>): Promise<string | null> {
  try {
    await checks;
    return null;
  } catch (error) {
    if (error instanceof ValidationError) return error.message;
    throw error;
  }
}

function told({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`;
}

function resultOf(found: ConnectorDefinition | string): Pick<DefinedConnector, "definition" | "invalid"> {
  return typeof found === "string" ? { definition: null, invalid: found } : { definition: found, invalid: null };
}

function unknown(id: string): NotFoundError {
  return new NotFoundError(`there is no connector ${JSON.stringify(id)}: mnemosync connector list shows them`);
}

function noKey(fault: BoxFault, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `the keys of a connector ${fault}: set connectors.secretKey (MNEMOSYNC_CONNECTORS_SECRET_KEY) to the key that encrypted ` +
      "them, or keep it as connectors.previousSecretKey; or name an environment variable in place of a key: ${MNEMOSYNC_CONNECTOR_…}",
    { cause },
  );
}
