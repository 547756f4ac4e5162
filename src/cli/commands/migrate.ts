import { parseOptions } from "../../config/parse.ts";
import { PostgresPool } from "../../drivers/postgres/postgres-pool.ts";
import { NO_REDIS } from "../../drivers/settings.ts";
import { migrate } from "../../ledger/migrate.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { counted } from "../output.ts";

export const migrateCommand: CliCommand = {
  async run({ settings, signal }) {
    // Only Postgres is needed, so the Redis URL may be missing.
    const options = parseOptions(connectOptions({ redisUrl: NO_REDIS, ...settings }));
    const postgres = new PostgresPool(options.postgresUrl, { max: 1 });
    try {
      const report = await withDeadline(options.callTimeoutMs, signal, (deadline) => migrate(postgres, deadline));
      const { applied, version } = report;
      const done = applied.map((name) => `applied ${name}`);
      const summary = applied.length === 0 ? "nothing to do" : `${counted(applied.length, "migration")} applied`;
      return {
        exitCode: EXIT.ok,
        json: { applied, version },
        text: [...done, `${summary}; the schema is at version ${version}`].join("\n"),
      };
    } finally {
      await postgres.close();
    }
  },
};
