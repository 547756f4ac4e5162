import { Lifeline } from "../../dev/lifeline.ts";
import { openServices } from "../../dev/services.ts";
import { createKey, KeyRing } from "../../http/keys.ts";
import type { Options } from "../../index.ts";
import { closeAll } from "../../runtime/close-all.ts";
import type { CliCommand, Invocation } from "../command.ts";
import { connectOptions, isDefaultIndexFolder } from "../options.ts";
import { serve } from "./serve.ts";

export const devCommand: CliCommand = {
  isService: true,
  async run(invocation) {
    const { settings, environment, say } = invocation;
    const given = (name: string): string | undefined =>
      typeof settings[name] === "string" ? settings[name] : undefined;
    const closers: (() => Promise<unknown>)[] = [];
    try {
      const services = await openServices({
        environment: {
          ...environment,
          MNEMOSYNC_POSTGRES_URL: given("postgresUrl"),
          MNEMOSYNC_REDIS_URL: given("redisUrl"),
        },
        log: say,
      });
      closers.push(() => services.close());
      const { postgresUrl, redisUrl } = services;
      const options = withOwnIndex(connectOptions({ ...settings, postgresUrl, redisUrl }), invocation, closers);
      const { key, entry } = createKey({ id: "dev", scope: "admin", namespaces: "*" });
      say(`key    ${key}`);
      return await serve(invocation, options, KeyRing.of([entry], { log: invocation.log }));
    } finally {
      await closeAll(closers);
    }
  },
};

/** Puts the index into a temporary folder, unless a setting names one: the default one belongs to the real service. */
function withOwnIndex(options: Options, { layers }: Invocation, closers: (() => Promise<unknown>)[]): Options {
  if (options.faiss === undefined || !isDefaultIndexFolder(layers)) return options;
  const own = new Lifeline("dev"); // Goes with this process, however it ends.
  closers.push(() => own.close());
  return { ...options, faiss: { ...options.faiss, directory: own.folder } };
}
