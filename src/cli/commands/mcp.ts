import { parseOptions } from "../../config/parse.ts";
import { serveStdio } from "../../mcp/stdio.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { withSynchronizer } from "../session.ts";

export const mcpCommand: CliCommand = {
  // Standard output belongs to the protocol, so nothing is printed there; a signal is the usual end.
  isService: true,
  configure(command) {
    command.option("--namespace <name>", "the tenant that all calls are about (default default)");
    command.option("--all-namespaces", "each call names its namespace");
    command.option("--read-only", "offer only the tools that change nothing");
  },
  async run(invocation) {
    const { flags, log, signal, note, json } = invocation;
    if (json) throw new UsageError("mcp prints no document: its standard output is the protocol's");
    const all = flags.allNamespaces === true;
    if (all && flags.namespace !== undefined) throw new UsageError("give either --namespace or --all-namespaces");
    const { mcp } = parseOptions(connectOptions(invocation.settings));
    const { callsMax, callTimeoutMs, checkTimeoutMs } = mcp;
    await withSynchronizer({ ...invocation, say: note }, async (sync) => {
      sync.start();
      note(
        `serving MCP on standard input and output, ${all ? "all namespaces" : `namespace ${flags.namespace ?? "default"}`}`,
      );
      await serveStdio(sync, {
        ...(all ? { namespace: null } : flags.namespace !== undefined && { namespace: String(flags.namespace) }),
        caller: { right: flags.readOnly === true ? "read" : "operate" },
        ...{ callsMax, callTimeoutMs, checkTimeoutMs, log, signal },
      });
    });
    return { exitCode: EXIT.ok, json: undefined, text: "" };
  },
};
