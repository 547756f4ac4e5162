import { parseOptions } from "../../config/parse.ts";
import { type Settings, settingAt } from "../../config/settings.ts";
import { HttpService } from "../../http/http-service.ts";
import { createKey, KeyRing } from "../../http/keys.ts";
import { checksumOf, type MemoryKey } from "../../index.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import type { Invocation } from "../command.ts";
import { editedData } from "./drift-redis.ts";
import { redisKey } from "./past.ts";
import type { DemoWorld } from "./world.ts";

/** Memories that Redis says other things of, which wait for a person. */
const CONFLICTS = 3;
/** Memories that Redis loses. */
const LOST = 5;

/**
 * Leaves work for a person: conflicts that wait for a decision, and drift that no check has found yet.
 * @param keys memories that are as they should be: eight at least.
 */
export async function leaveWork(world: DemoWorld, keys: readonly MemoryKey[], signal: AbortSignal): Promise<void> {
  const { redis, sync } = world;
  await Promise.all(
    keys.slice(0, CONFLICTS).map(async (key) => {
      const at = redisKey(world, key);
      const data = await editedData(world, key);
      await redis.hset(at, { data, checksum: checksumOf(data, await redis.hgetBuffer(at, "embedding")) });
    }),
  );
  const report = await sync.checkConsistency({ scope: "full", signal });
  await sync.repairInconsistencies(report, { strategy: "manual", signal });
  await Promise.all(keys.slice(CONFLICTS, CONFLICTS + LOST).map((key) => redis.del(redisKey(world, key))));
}

/** Serves the console on the demonstration's data until the invocation is interrupted. The key is of this process alone. */
export async function serveConsole({ settings, log, signal, say }: Invocation, world: DemoWorld): Promise<void> {
  const { key, entry } = createKey({ id: "demo", scope: "admin", namespaces: "*" });
  const service = await HttpService.create({
    http: httpOf(settings),
    log,
    keys: KeyRing.of([entry], { log }),
    connect: async () => world.sync,
  });
  try {
    await service.connect(signal);
    const { address, family, port } = await service.listen();
    await service.console(); // Before anybody is told to open it.
    say(`   open  http://${family === "IPv6" ? `[${address}]` : address}:${port}/console/`);
    say(`   key   ${key}`);
    say(`\n   ${CONFLICTS} conflicts wait for a decision; a check will find ${LOST} memories that Redis has lost.`);
    say("   Ctrl-C stops it and removes everything.");
    await untilAborted(new Promise<never>(() => undefined), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await service.stop();
  }
}

/** The settings of the service: where it listens may be given. The machine's keys are not the demonstration's. */
function httpOf(settings: Settings) {
  const given = { ...(settingAt(settings, ["http"]) as object | undefined), authentication: "keys", console: true };
  return parseOptions({ postgresUrl: "postgres://the-demonstration", redisUrl: "none", http: given }).http;
}
