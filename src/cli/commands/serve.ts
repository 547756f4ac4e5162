import { parseOptions } from "../../config/parse.ts";
import { HttpService } from "../../http/http-service.ts";
import type { KeyRing } from "../../http/keys.ts";
import { type ConnectOptions, MemorySynchronizer, type Options } from "../../index.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import { defaultNodeId } from "../../synchronizer/connections.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { noteNewIndexFolder } from "../session.ts";

export const serveCommand: CliCommand = {
  isService: true,
  configure(command) {
    command
      .option("--api-only", "make no runs of connectors: other nodes do (connectors.enabled: false)")
      .option("--scheduler-only", "do the background work and runs of connectors; answer only probes and /metrics");
  },
  async run(invocation) {
    const { apiOnly, schedulerOnly } = invocation.flags;
    if (apiOnly === true && schedulerOnly === true)
      throw new UsageError("--api-only and --scheduler-only exclude each other");
    const options = connectOptions(invocation.settings);
    const connectors = { ...options.connectors, enabled: false };
    return await serve(invocation, apiOnly === true ? { ...options, connectors } : options);
  },
};

/** Serves until the invocation is interrupted. */
export async function serve(invocation: Invocation, options: Options, keys?: KeyRing): Promise<CommandResult> {
  const { log, signal } = invocation;
  const effective = parseOptions(options);
  const { http, mcp, faiss } = effective;
  noteNewIndexFolder(invocation, options);
  const service = await HttpService.create({
    http,
    mcp,
    log,
    connect: (connecting) => connectChecked({ ...options, log }, connecting),
    isProbed: invocation.flags.schedulerOnly === true,
    ...(keys && { keys }),
  });
  let inTime = true;
  try {
    const listening = service.listen().then(({ address, family, port }) => {
      invocation.say(`listening on http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
    });
    await Promise.all([service.connect(signal), listening]);
    invocation.say(`node ${effective.nodeId ?? defaultNodeId(effective)}, vector index: ${faiss?.directory ?? "none"}`);
    invocation.say("ready");
    await untilAborted(new Promise<never>(() => undefined), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    inTime = await service.stop();
    // Work that did not end in time still holds handles. The process must not wait for them.
    if (!inTime) setTimeout(() => process.exit(), 500).unref();
  }
  return {
    exitCode: inTime ? EXIT.ok : EXIT.findings,
    json: { stopped: true, inTime },
    text: inTime ? "stopped" : "stopped; some requests were cut off, or a store was not closed in time",
  };
}

/** A connector of the settings file that cannot run is found at the start, not by its first run. */
async function connectChecked(options: ConnectOptions, signal: AbortSignal): Promise<MemorySynchronizer> {
  const sync = await MemorySynchronizer.connect(options, { signal });
  try {
    if (options.connectors?.enabled !== false) await sync.connectors.assertSettings();
    return sync;
  } catch (error) {
    await sync.close();
    throw error;
  }
}
