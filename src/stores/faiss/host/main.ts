import type { HostMessage, HostRequest, Operation } from "../protocol/messages.ts";
import { loadFaiss } from "./faiss.ts";
import { Host } from "./host.ts";
import { HostError } from "./host-error.ts";

/**
 * The FAISS host process: FAISS's calls are synchronous, and an exception inside it aborts the process, so it has one
 * of its own. Started by `host-connection.ts` with an IPC channel and speaks `messages.ts`.
 */
const host = new Host(loadFaiss, send);

// FAISS opens its files itself and gives them no mode: whatever this process and its workers write is private.
process.umask(0o077);

function send(message: HostMessage): void {
  // The callback takes the error of a channel that is gone: "disconnect" is what ends this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

process.on("message", ({ id, operation, args }: HostRequest) => {
  host.serve<Operation>(operation, args).then(
    (result) => send({ id, result }),
    (error: unknown) => send({ id, error: describe(error) }),
  );
});

function describe(error: unknown): { code: HostError["code"]; message: string } {
  if (error instanceof HostError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

// The owner closed the channel, or was killed: nobody is left to serve.
process.on("disconnect", () => {
  host.close();
  process.exit(0);
});

// A terminal or a service manager signals the whole group. The owner decides when this process ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
