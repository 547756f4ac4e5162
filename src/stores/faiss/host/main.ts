import type { HostMessage, HostRequest, Operation } from "../protocol/messages.ts";
import { loadFaiss } from "./faiss.ts";
import { Host } from "./host.ts";
import { HostError } from "./host-error.ts";

/**
 * The FAISS host process. FAISS calls are synchronous, and an exception inside FAISS aborts the process, so FAISS runs in a
 * separate one. `host-connection.ts` starts it with an IPC channel; the protocol is in `messages.ts`.
 */
const host = new Host(loadFaiss, send);

// FAISS opens its files itself and sets no mode: the umask makes all files of this process and its workers private.
process.umask(0o077);

function send(message: HostMessage): void {
  // The callback ignores the error of a closed channel: "disconnect" ends this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

process.on("message", ({ id, operation, args }: HostRequest) => {
  const refuse = (error: unknown): void => send({ id, error: describe(error) });
  try {
    const result = host.serve<Operation>(operation, args);
    // Microtasks run behind all messages that were read together: an answer that came from one would wait for the next search.
    if (result instanceof Promise) result.then((later) => send({ id, result: later }), refuse);
    else send({ id, result });
  } catch (error) {
    refuse(error);
  }
});

function describe(error: unknown): { code: HostError["code"]; message: string } {
  if (error instanceof HostError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

// The owner closed the channel, or was killed: no client is left.
process.on("disconnect", () => {
  host.close();
  process.exit(0);
});

// A terminal or a service manager signals the whole process group. Only the owner ends this process.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
