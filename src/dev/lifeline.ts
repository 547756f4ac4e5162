import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killTree, untilGone } from "./processes.ts";

/**
 * The guard process outlives this process even after kill -9. It notices the end of its input, kills the process whose id
 * it read last (0: none) with its children, and removes the folder. It is a shell, because a shell costs 1 MB and 1 ms.
 */
const guardScript = `
server=0
while read -r line; do server=$line; done
if [ "$server" -gt 1 ]; then
  kill -STOP "$server"
  for child in $(cat "/proc/$server/task/$server/children" || pgrep -P "$server"); do kill -KILL "$child"; done
  kill -KILL "$server"
fi
for attempt in 1 2 3 4 5; do
  rm -rf "$1" && break
  sleep 0.2
done
`;

const lifelines = new Set<Lifeline>();
const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A temporary folder and the server that uses it. Neither outlives this process, however it ends. */
export class Lifeline {
  readonly folder: string;
  #processId: number | undefined;
  readonly #guard: ChildProcess;

  /** Creates `<parent>/mnemosync-<name>-XXXXXX`, readable by this user alone. */
  constructor(name: string, parent: string = tmpdir()) {
    this.folder = mkdtempSync(join(parent, `mnemosync-${name}-`));
    // A separate session: otherwise the terminal's Ctrl-C would end the guard before this process.
    this.#guard = spawn("/bin/sh", ["-c", guardScript, "sh", this.folder], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    // A failed guard leaves only kill -9 uncovered, so its failures are ignored.
    this.#guard.on("error", () => {});
    this.#guard.stdin?.on("error", () => {});
    this.#guard.unref();
    (this.#guard.stdin as Socket | null)?.unref();
    if (lifelines.size === 0) watchOurOwnEnd();
    lifelines.add(this);
  }

  /** Sets the process to kill when this process ends; undefined once it has ended on its own, because ids are reused. */
  hold(processId: number | undefined): void {
    this.#processId = processId;
    this.#guard.stdin?.write(`${processId ?? 0}\n`);
  }

  /** Kills the server and removes the folder synchronously, because an exiting process cannot await. */
  cut(): void {
    try {
      if (this.#processId !== undefined) killTree(this.#processId);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // The guard tries again once this process has ended.
    }
  }

  /** Kills the server, waits until it has ended and removes the folder. Idempotent. */
  async close(): Promise<void> {
    if (this.#processId !== undefined) await untilGone(killTree(this.#processId));
    this.hold(undefined);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    this.#guard.stdin?.end();
    if (lifelines.delete(this) && lifelines.size === 0) unwatchOurOwnEnd();
  }
}

function cutAll(): void {
  for (const lifeline of lifelines) lifeline.cut();
}

function onEndingSignal(signal: NodeJS.Signals): void {
  // Another listener decides when the process ends, and may need the servers until then.
  if (process.listenerCount(signal) > 1) return;
  cutAll();
  process.off(signal, onEndingSignal);
  process.kill(process.pid, signal); // The default action: ends the process with the exit status that shells expect.
}

function watchOurOwnEnd(): void {
  process.on("exit", cutAll); // Also emitted after an uncaught exception.
  // The first listener: a `once` listener before it would have been removed when it counts them.
  for (const signal of endingSignals) process.prependListener(signal, onEndingSignal);
}

function unwatchOurOwnEnd(): void {
  process.off("exit", cutAll);
  for (const signal of endingSignals) process.off(signal, onEndingSignal);
}
