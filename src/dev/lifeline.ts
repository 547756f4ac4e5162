import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killTree, untilGone } from "./processes.ts";

/**
 * The guard outlives us even when we are killed with -9: it notices by the end of its input, ends the process
 * whose id it read last (0: none) with its children, and removes the folder. A shell, as it costs 1 MB and 1 ms.
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

/** A temporary folder and the one server that works in it. Neither outlives this process, however it ends. */
export class Lifeline {
  readonly folder: string;
  #processId: number | undefined;
  readonly #guard: ChildProcess;

  /** Creates `<tmpdir>/mnemosync-<name>-XXXXXX`, readable by this user alone. */
  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `mnemosync-${name}-`));
    // A session of its own, or the terminal's Ctrl-C would end the guard before us.
    this.#guard = spawn("/bin/sh", ["-c", guardScript, "sh", this.folder], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    // Without a guard everything but kill -9 is still covered, so its failures end nothing.
    this.#guard.on("error", () => {});
    this.#guard.stdin?.on("error", () => {});
    this.#guard.unref();
    (this.#guard.stdin as Socket | null)?.unref();
    if (lifelines.size === 0) watchOurOwnEnd();
    lifelines.add(this);
  }

  /** From now on `processId` goes down with us; undefined when it ended by itself, as its id may be given out again. */
  hold(processId: number | undefined): void {
    this.#processId = processId;
    this.#guard.stdin?.write(`${processId ?? 0}\n`);
  }

  /** Kills the server and removes the folder before it returns: all that can be done while the process exits. */
  cut(): void {
    try {
      if (this.#processId !== undefined) killTree(this.#processId);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // The guard tries again as soon as we are gone.
    }
  }

  /** Kills the server, waits until it is gone and removes the folder. Safe twice. */
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
  // Whoever else listens decides when to end, and may still need the servers until then.
  if (process.listenerCount(signal) > 1) return;
  cutAll();
  process.off(signal, onEndingSignal);
  process.kill(process.pid, signal); // Ends us as if nobody had listened, with the exit status that shells expect.
}

function watchOurOwnEnd(): void {
  process.on("exit", cutAll); // Also emitted after an uncaught exception.
  // First in line: a `once` listener before us would be gone by the time we count.
  for (const signal of endingSignals) process.prependListener(signal, onEndingSignal);
}

function unwatchOurOwnEnd(): void {
  process.off("exit", cutAll);
  for (const signal of endingSignals) process.off(signal, onEndingSignal);
}
