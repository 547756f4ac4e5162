import type { CliCommand } from "../command.ts";
import { runDemo } from "../demo/demo.ts";
import { EXIT } from "../exit.ts";

export const demoCommand: CliCommand = {
  async run(invocation) {
    const { settings, environment } = invocation;
    const given = (name: string): string | undefined =>
      typeof settings[name] === "string" ? settings[name] : undefined;
    const report = await runDemo(invocation, {
      ...environment,
      MNEMOSYNC_POSTGRES_URL: given("postgresUrl"),
      MNEMOSYNC_REDIS_URL: given("redisUrl"),
    });
    return { exitCode: report.ok ? EXIT.ok : EXIT.findings, json: report, text: "" };
  },
};
