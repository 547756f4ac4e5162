import type { Sql as PostgresSql, ReservedSql } from "postgres";
import { StoreUnavailableError } from "../../domain/errors.ts";
import { storeAbortError, untilAborted } from "../../runtime/deadline.ts";
import type { PoolStatistics } from "../../runtime/lease-pool.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import { checkTwoSessions } from "./pooler.ts";
import type { Backend, FeedListener, PostgresAccess, PostgresConnection, Sql } from "./postgres-access.ts";
import { postgresError } from "./postgres-errors.ts";

/** Milliseconds that the look for a pooler waits for a second connection of a busy client. */
const SECOND_CONNECTION_TIMEOUT_MS = 1_000;

/**
 * Access to Postgres through a postgres.js client that the caller owns and ends. Each piece of work has a reserved
 * connection. A connection whose deadline passed cannot be destroyed from here: its server process is ended instead.
 */
export class BorrowedPostgres implements PostgresAccess {
  readonly #client: PostgresSql;
  #busy = 0;
  #examination: Promise<void> | null = null;

  constructor(client: PostgresSql) {
    this.#client = client;
  }

  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    let backend: Backend | null = null;
    this.#busy++;
    try {
      await this.#examine(signal);
      const reserved = await this.#reserve(signal);
      try {
        const [row] = await untilAborted(
          reserved<Backend[]>`
          select pid, extract(epoch from backend_start)::text as "startedAt"
          from pg_stat_activity where pid = pg_backend_pid()`.execute(),
          signal,
        );
        backend = row ?? null;
        if (backend === null) throw new StoreUnavailableError("postgres", "the server does not know its own process");
        return await untilAborted(work({ sql: reserved as unknown as Sql, backend, sendsAtOnce: false }), signal);
      } catch (error) {
        await this.#abandon(reserved, backend, signal.aborted);
        throw error;
      } finally {
        reserved.release();
      }
    } catch (error) {
      throw signal.aborted ? storeAbortError("postgres", signal, error) : postgresError(error);
    } finally {
      this.#busy--;
    }
  }

  /** Through the driver, which opens a connection for it beside the client's own and tries to keep it. */
  async listen(
    channel: string,
    _begin: (sql: Sql) => Promise<void>,
    onSignal: (payload: string) => void,
    signal: AbortSignal,
  ): Promise<FeedListener> {
    const listening = this.#client.listen(channel, onSignal);
    try {
      const { unlisten } = await untilAborted(listening, signal);
      let isOpen = true;
      return {
        usable: () => isOpen,
        close: () => {
          if (!isOpen) return;
          isOpen = false;
          unlisten().catch(ignoreEndOfListening);
        },
      };
    } catch (error) {
      listening.then(({ unlisten }) => unlisten()).catch(ignoreEndOfListening);
      if (!signal.aborted) throw postgresError(error);
      throw new StoreUnavailableError("postgres", "no answer before the deadline", { cause: error });
    }
  }

  statistics(): PoolStatistics {
    return { idle: 0, busy: this.#busy, waiting: 0 };
  }

  async close(): Promise<void> {
    // The client is the caller's.
  }

  /** Resolves with a connection. One that comes after `signal` fired goes back to the client. */
  async #reserve(signal: AbortSignal): Promise<ReservedSql> {
    const reserving = this.#client.reserve();
    try {
      return await untilAborted(reserving, signal);
    } catch (error) {
      reserving.then((late) => late.release()).catch(ignoreLostConnection);
      throw error;
    }
  }

  /**
   * Once: whether a pooler stands before the server that shares sessions. A client of one connection, and one that is too
   * busy to give two, cannot be examined.
   * @throws {ConfigurationError}
   */
  async #examine(signal: AbortSignal): Promise<void> {
    if (this.#client.options.max < 2) return;
    for (;;) {
      const isOwn = this.#examination === null;
      const examination = this.#examination ?? this.#compareSessions(signal);
      this.#examination = examination;
      try {
        return await untilAborted(examination, signal);
      } catch (error) {
        if (this.#examination === examination) this.#examination = null;
        // It ends with the call that began it. The others must not end with that one: the next of them begins anew.
        if (isOwn || signal.aborted) throw error;
      }
    }
  }

  async #compareSessions(signal: AbortSignal): Promise<void> {
    const first = await this.#reserve(signal);
    try {
      const second = await this.#reserveSoon(signal);
      if (second === null) return;
      try {
        await untilAborted(checkTwoSessions(first as unknown as Sql, second as unknown as Sql), signal);
      } finally {
        second.release();
      }
    } finally {
      first.release();
    }
  }

  async #reserveSoon(signal: AbortSignal): Promise<ReservedSql | null> {
    const soon = new LinkedAbort(signal, SECOND_CONNECTION_TIMEOUT_MS);
    try {
      return await this.#reserve(soon.signal);
    } catch (error) {
      if (signal.aborted || !soon.signal.aborted) throw error;
      return null;
    } finally {
      soon.release();
    }
  }

  /** Leaves no transaction open on a connection that goes back to the caller's pool. */
  async #abandon(reserved: ReservedSql, backend: Backend | null, silent: boolean): Promise<void> {
    const deadline = AbortSignal.timeout(2_000);
    try {
      if (silent && backend !== null) {
        // Not while it waits for a synchronous standby: ending it would cancel the wait, and show what a failover loses.
        const ending = this.#client`
          select pg_terminate_backend(pid) from pg_stat_activity
          where pid = ${backend.pid} and extract(epoch from backend_start)::text = ${backend.startedAt}
            and wait_event is distinct from 'SyncRep'`;
        await untilAborted(ending.execute(), deadline);
      } else {
        await untilAborted(reserved`rollback`.execute(), deadline);
      }
    } catch {
      // The connection is lost, and its transaction with it. The first failure is the one to report.
    }
  }
}

function ignoreLostConnection(): void {
  // No caller waits for it any more.
}

function ignoreEndOfListening(): void {
  // The connection is lost, or was never opened: no notification can arrive.
}
