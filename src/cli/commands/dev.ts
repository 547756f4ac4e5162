import { openServices } from "../../dev/services.ts";
import { createKey, KeyRing } from "../../http/keys.ts";
import type { CliCommand } from "../command.ts";
import { connectOptions } from "../options.ts";
import { serve } from "./serve.ts";

export const devCommand: CliCommand = {
  isService: true,
  async run(invocation) {
    const { settings, environment, say } = invocation;
    const given = (name: string): string | undefined =>
      typeof settings[name] === "string" ? settings[name] : undefined;
    const services = await openServices({
      environment: {
        ...environment,
        MNEMOSYNC_POSTGRES_URL: given("postgresUrl"),
        MNEMOSYNC_REDIS_URL: given("redisUrl"),
      },
      log: say,
    });
    try {
      const { postgresUrl, redisUrl } = services;
      const options = connectOptions({ ...settings, postgresUrl, redisUrl });
      const { key, entry } = createKey({ id: "dev", scope: "admin", namespaces: "*" });
      say(`key    ${key}`);
      return await serve(invocation, options, KeyRing.of([entry], { log: invocation.log }));
    } finally {
      await services.close();
    }
  },
};
