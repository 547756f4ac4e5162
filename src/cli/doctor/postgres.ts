import type { PostgresFacts } from "../../ledger/server-facts.ts";
import { type Diagnosis, failure, note, ok, warning } from "./diagnosis.ts";

/** Seconds that the change feed may be held back by one open transaction. */
const WRITER_SECONDS_MAX = 60;
/** Milliseconds between the clocks that have no effect. */
const CLOCK_SKEW_MAX_MS = 1_000;

/** @param expected newest migration of this program. @param connectionsMax of our pool. */
export function diagnosePostgres(facts: PostgresFacts, expected: number, connectionsMax: number): Diagnosis[] {
  return [
    version(facts),
    facts.encoding === "UTF8"
      ? ok("postgres.encoding", "UTF8")
      : failure("postgres.encoding", facts.encoding, "create a database with encoding UTF8"),
    facts.readOnly
      ? failure(
          "postgres.writable",
          "takes no writes",
          "give the address of the primary: this is a standby, or read-only",
        )
      : ok("postgres.writable", "takes writes"),
    schema(facts, expected),
    permissions(facts, expected),
    durability(facts),
    connections(facts, connectionsMax),
    feed(facts),
    caps(facts),
    clock(facts),
  ];
}

function version({ versionNumber, version: found }: PostgresFacts): Diagnosis {
  if (versionNumber >= 140_000) return ok("postgres.version", found);
  return failure("postgres.version", found, "PostgreSQL 14 or newer is needed");
}

function schema({ schemaVersion, database }: PostgresFacts, expected: number): Diagnosis {
  const check = "postgres.schema";
  if (schemaVersion === null)
    return note(check, `none in ${database} yet`, "mnemosync migrate creates it; so does every start");
  if (schemaVersion === expected) return ok(check, `version ${schemaVersion}`);
  const found = `version ${schemaVersion}, and this program's is ${expected}`;
  if (schemaVersion > expected)
    return failure(check, found, "use the newer program that migrated it, or another database");
  return note(check, found, "mnemosync migrate brings it up to date; so does every start");
}

function permissions(facts: PostgresFacts, expected: number): Diagnosis {
  const { user, tablesWithoutPermission: denied, schemaVersion, mayCreateSchema, database } = facts;
  const check = "postgres.permissions";
  if (denied.length > 0) {
    const advice = `grant usage on schema mnemosync to ${user}; grant select, insert, update, delete on all tables in schema mnemosync to ${user}`;
    return failure(check, `${user} may not read and write ${denied.join(", ")}`, advice);
  }
  if ((schemaVersion === null || schemaVersion < expected) && !mayCreateSchema) {
    const advice = `run mnemosync migrate as the owner, or: grant create on database ${database} to ${user}`;
    return failure(check, `${user} may not create what the migrations need`, advice);
  }
  return ok(check, `${user} has the permissions that are needed`);
}

function durability({ fsync, fullPageWrites }: PostgresFacts): Diagnosis {
  const off = [...(fsync === "off" ? ["fsync"] : []), ...(fullPageWrites === "off" ? ["full_page_writes"] : [])];
  if (off.length === 0) return ok("postgres.durability", "fsync and full_page_writes are on");
  const advice = "turn it on: a crash of the machine may lose acknowledged writes, or the whole database";
  return warning("postgres.durability", `${off.join(" and ")} off`, advice);
}

function connections({ connections: used, connectionsMax: limit }: PostgresFacts, ours: number): Diagnosis {
  const found = `${used} of ${limit} are in use, and this node may open ${ours}`;
  if (used + ours <= limit) return ok("postgres.connections", found);
  return warning("postgres.connections", found, "raise max_connections of the server, or lower postgresConnectionsMax");
}

function feed({ oldestWriterSeconds, preparedTransactions }: PostgresFacts): Diagnosis {
  const check = "postgres.feed";
  if (preparedTransactions > 0) {
    const found = `${preparedTransactions} prepared transactions`;
    return warning(
      check,
      found,
      "commit or roll them back (pg_prepared_xacts): the indexes of other nodes receive no changes until then",
    );
  }
  if (oldestWriterSeconds === null || oldestWriterSeconds <= WRITER_SECONDS_MAX) {
    return ok(check, "no long writing transaction delays it");
  }
  const found = `a writing transaction is open for ${Math.round(oldestWriterSeconds)} s`;
  return warning(
    check,
    found,
    "end it (pg_stat_activity, backend_xid is not null): the indexes of other nodes receive no changes until then",
  );
}

function caps({ rowsBeyondCaps }: PostgresFacts): Diagnosis {
  const check = "postgres.caps";
  if (rowsBeyondCaps === null) return note(check, "not migrated yet", "the next start adds caps on versions");
  if (rowsBeyondCaps === 0) return ok(check, "all versions and counters are within their caps");
  return warning(
    check,
    `${rowsBeyondCaps} rows have a version or a counter beyond 2^48, or a version vector that cannot be read`,
    "such memories cannot be written any more: renumber them (docs/operations.md, Versions beyond the cap)",
  );
}

function clock({ clockAheadMs, clockUncertaintyMs }: PostgresFacts): Diagnosis {
  const found = `the server is ${Math.abs(clockAheadMs)} ms ${clockAheadMs < 0 ? "behind" : "ahead"} (± ${clockUncertaintyMs} ms)`;
  if (Math.abs(clockAheadMs) - clockUncertaintyMs <= CLOCK_SKEW_MAX_MS) return ok("postgres.clock", found);
  const advice = "set both clocks by NTP: both decide on expiry, and conflicts are decided by modification times";
  return warning("postgres.clock", found, advice);
}
