import type { CliCommand } from "../command.ts";
import { runDemo } from "../demo/demo.ts";
import { EXIT } from "../exit.ts";

export const demoCommand: CliCommand = {
  configure(command) {
    command.option("--console", "leave the console running on the demonstration's data until Ctrl-C");
  },
  async run(invocation) {
    const { settings, environment } = invocation;
    const given = (name: string): string | undefined =>
      typeof settings[name] === "string" ? settings[name] : undefined;
    const servers = { MNEMOSYNC_POSTGRES_URL: given("postgresUrl"), MNEMOSYNC_REDIS_URL: given("redisUrl") };
    const withConsole = invocation.flags.console === true;
    const report = await runDemo(invocation, { ...environment, ...servers }, withConsole);
    return { exitCode: report.ok ? EXIT.ok : EXIT.findings, json: report, text: "", endedBySignal: withConsole };
  },
};
