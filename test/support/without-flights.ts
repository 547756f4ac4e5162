import type { PostgresAccess } from "../../src/drivers/postgres/postgres-access.ts";
import type { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";

/** The pool, whose connections send no flights, as over TLS. */
export function withoutFlights(pool: PostgresPool): PostgresAccess {
  return {
    use: (signal, work) => pool.use(signal, (connection) => work({ ...connection, flights: undefined })),
    listen: (...call) => pool.listen(...call),
    statistics: () => pool.statistics(),
    close: () => pool.close(),
  };
}
