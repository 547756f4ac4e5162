import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import type { IndexSettings } from "./settings.ts";
import { SORT_FIELDS, type SortField, sortExpression } from "./sort-expression.ts";
import { withoutTimeouts } from "./without-timeouts.ts";

/** The table whose rows hold the documents: those of all versions that are kept. */
export const DOCUMENT_TABLE = "mnemosync.memory_bodies";

/** An index that a setting asks for. */
interface OptionalIndex {
  readonly name: string;
  /** What stands behind the name in `create index`. */
  readonly definition: string;
  readonly table: string;
}

/** The optional indexes that a ledger has, complete ones only. */
export interface FoundIndexes {
  /** Languages of the indexes of words. */
  readonly languages: readonly string[];
  /** Whether there is one of the fields. */
  readonly hasFields: boolean;
  /** Orders of lists that have one. */
  readonly orders: readonly SortField[];
  /** Whether documents from before migration 19 are not moved yet: an index of bodies does not have them. */
  readonly hasUnmoved: boolean;
}

const ORDER_NAMES: Readonly<Record<SortField, string>> = {
  createdAt: "memory_versions_created_order_index",
  modifiedAt: "memory_versions_modified_order_index",
  importance: "memory_bodies_importance_order_index",
};
const FIELDS_NAME = "memory_bodies_fields_index";
const WORDS_NAME = /^memory_bodies_words_(.+)_index$/;

/** The expression of an index of words, for a row of the table of documents called `row`. `language` was checked. */
export function wordsExpression(language: string, row: string): string {
  return `mnemosync.search_words('${language}'::regconfig, ${row}namespace, ${row}document)`;
}

/** The expression of the index of fields, for a row of the table of documents called `row`. */
export function fieldsExpression(row: string): string {
  return `mnemosync.indexed_fields(${row}namespace, ${row}document)`;
}

function indexesOf(settings: IndexSettings): OptionalIndex[] {
  const { text, fields, orders } = settings;
  const indexes: OptionalIndex[] = [];
  if (text !== "none") {
    indexes.push({
      name: `memory_bodies_words_${text}_index`,
      table: DOCUMENT_TABLE,
      definition: `using gin (${wordsExpression(text, "")})`,
    });
  }
  if (fields) {
    const definition = `using gin (${fieldsExpression("")} jsonb_path_ops)`;
    indexes.push({ name: FIELDS_NAME, table: DOCUMENT_TABLE, definition });
  }
  for (const field of orders) {
    const name = ORDER_NAMES[field];
    const ordered = `namespace, (${sortExpression(field)}), memory_id`;
    if (field === "importance") {
      const definition = `(${ordered}, version) where document is not null`;
      indexes.push({ name, table: DOCUMENT_TABLE, definition });
    } else indexes.push({ name, table: "mnemosync.memory_versions", definition: `(${ordered})` });
  }
  return indexes;
}

/**
 * Makes the indexes that the settings ask for and that the ledger lacks, and waits until they are complete. Readers and
 * writers go on meanwhile (`create index concurrently`). An index that an earlier attempt left incomplete is made anew.
 * @throws {ConfigurationError} PostgreSQL does not know the language. @throws {StoreRefusedError} {StoreUnavailableError}
 */
export async function ensureIndexes(
  postgres: PostgresAccess,
  settings: IndexSettings,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const wanted = indexesOf(settings);
  if (wanted.length === 0) return;
  await postgres.use(signal, async ({ sql }) => {
    await checkLanguage(sql, settings.text);
    for (const index of wanted) {
      if ((await stateOf(sql, index)) === "complete") continue;
      const startedAt = performance.now();
      log.info({ index: index.name }, "index.being_built");
      await withoutTimeouts(sql, () => build(sql, index, signal));
      log.info({ index: index.name, milliseconds: Math.round(performance.now() - startedAt) }, "index.built");
    }
  });
}

/** The complete optional indexes, whichever process made them. */
export async function findIndexes(sql: Sql): Promise<FoundIndexes> {
  const rows = await sql<{ name: string }[]>`
    select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = 'mnemosync'::regnamespace and i.indisvalid and c.relname like 'memory\_%\_index'
    order by c.relname`;
  const [unmoved] = await sql`select 1 from mnemosync.unmoved_documents limit 1`;
  const languages = rows.flatMap(({ name }) => WORDS_NAME.exec(name)?.[1] ?? []);
  const names = new Set(rows.map(({ name }) => name));
  return {
    languages,
    hasFields: names.has(FIELDS_NAME),
    orders: SORT_FIELDS.filter((field) => names.has(ORDER_NAMES[field])),
    hasUnmoved: unmoved !== undefined,
  };
}

async function checkLanguage(sql: Sql, language: string): Promise<void> {
  if (language === "none") return;
  const rows = await sql<{ name: string }[]>`
    select cfgname as name from pg_ts_config where pg_ts_config_is_visible(oid) order by cfgname`;
  const names = rows.map(({ name }) => name);
  if (names.includes(language)) return;
  throw new ConfigurationError(
    `option indexes.text is "${language}", and PostgreSQL has no such text search configuration: it has ${names.join(", ")}`,
  );
}

async function stateOf(sql: Sql, { name }: OptionalIndex): Promise<"absent" | "incomplete" | "complete"> {
  const [row] = await sql<{ complete: boolean }[]>`
    select i.indisvalid as complete from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = 'mnemosync'::regnamespace and c.relname = ${name}`;
  if (row === undefined) return "absent";
  return row.complete ? "complete" : "incomplete";
}

/** Milliseconds between two looks at an index that another process is building. */
const LOOK_MS = 250;

/** Ends when the index is complete, whichever process builds it, or when the signal fires. */
async function build(sql: Sql, index: OptionalIndex, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted(); // The pause below ends at once then.
    const state = await stateOf(sql, index);
    if (state === "complete") return;
    try {
      if (state === "absent")
        await sql.unsafe(`create index concurrently ${index.name} on ${index.table} ${index.definition}`);
      else await dropIncomplete(sql, index);
    } catch (error) {
      if (!OTHER_BUILDS.has((error as { code?: string }).code ?? "")) throw error;
      await sql`rollback`; // Of the transaction that drops; without one it only warns.
      await pause(LOOK_MS, signal);
    }
  }
}

/**
 * Another process builds an index of this table: it made the name first (two codes, by how close they were), it holds the lock,
 * or the two waited for each other, as two `create index concurrently` of expressions do.
 */
const OTHER_BUILDS: ReadonlySet<string> = new Set(["42P07", "23505", "55P03", "40P01"]);

/**
 * `create index concurrently` holds this lock on the table until it has ended, so what is still incomplete behind the lock was
 * left behind. Waiting for the lock would be a deadlock: the building waits for each older transaction.
 */
async function dropIncomplete(sql: Sql, index: OptionalIndex): Promise<void> {
  await sql`begin`;
  await sql.unsafe(`lock table ${index.table} in share update exclusive mode nowait`);
  if ((await stateOf(sql, index)) === "incomplete") await sql.unsafe(`drop index mnemosync.${index.name}`);
  await sql`commit`;
}
