import { Worker } from "node:worker_threads";
import { ClosedError } from "../../domain/errors.ts";
import { EdgeFileError } from "../errors.ts";
import type { EdgeFileOptions } from "../file/edge-file.ts";
import type { Rescue } from "../file/rescue.ts";
import type { SqlDriverName } from "../sqlite/database.ts";
import { FILE_CALLS, type FilePort } from "./file-port.ts";
import type { CallHub, HubAddress, HubOutcome } from "./hub-messages.ts";
import { errorOfWire, type FileWork, type WorkerAnswer, type WorkerCall, type WorkerStart } from "./messages.ts";

import { workerModule } from "./worker-program.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls that wait for the worker, at most: beyond, callers are refused rather than memory filled. */
const WAITING_MAX = 10_000;

/**
 * MiB for objects that live shortly, which all of a page and of a search are. Without a limit V8 takes up to 48 for them before it
 * collects any; their vectors, outside of its heap, are freed with them.
 */
const YOUNG_MAX_MIB = 8;

/** A file in a thread of its own. */
class FileClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: Error | null = null;
  readonly opened: Promise<Rescue | null>;

  constructor(start: WorkerStart) {
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MAX_MIB };
    this.#worker = new Worker(workerModule(), { workerData: start, name: "mnemosync-edge", resourceLimits });
    this.opened = new Promise((resolve, reject) => {
      this.#waiting.set(0, { resolve: (result) => resolve((result as { rescue: Rescue | null }).rescue), reject });
    });
    this.#worker.on("message", (answer: WorkerAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (code) => this.#end(new EdgeFileError("io", `the edge's worker ended with ${code}`)));
  }

  call(name: FileWork["name"], args: readonly unknown[]): Promise<unknown> {
    return this.#post((id) => ({ id, name, args }));
  }

  readonly callHub: CallHub = (device, hub) => {
    let made = 0;
    const outcome = this.#post((id) => {
      made = id;
      return { id, device, hub };
    }) as Promise<HubOutcome>;
    return { outcome, end: () => this.#worker.postMessage({ ended: made } satisfies WorkerCall) };
  };

  #post(callOf: (id: number) => WorkerCall): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#waiting.size >= WAITING_MAX) {
      return Promise.reject(new EdgeFileError("locked", `${WAITING_MAX} calls wait for the file already: slow down`));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(callOf(id));
    });
  }

  /** Resolves once the thread is gone, and with it the file's locks. */
  async end(name: "close" | "abandon"): Promise<void> {
    if (this.#ended !== null) return;
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    try {
      await this.call(name, []);
    } finally {
      this.#ended ??= new ClosedError("the edge");
      await this.#worker.terminate();
      await exited;
    }
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting?.reject(errorOfWire(answer.error));
    else waiting?.resolve(answer.result);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  async kill(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Opens the file in a worker thread. @param hub to be called from there. @throws {EdgeFileError} */
export async function openInWorker(
  driver: SqlDriverName,
  options: Omit<EdgeFileOptions, "random">,
  nowMs: number,
  hub: HubAddress | null,
): Promise<FilePort> {
  const client = new FileClient({ driver, options, nowMs, hub });
  let rescue: Rescue | null;
  try {
    rescue = await client.opened;
  } catch (error) {
    await client.kill();
    throw error;
  }
  const calls = FILE_CALLS.map((name) => [name, (...args: unknown[]) => client.call(name, args)]);
  return {
    ...Object.fromEntries(calls),
    rescue,
    callHub: hub === null ? null : client.callHub,
    close: () => client.end("close"),
    abandon: () => client.end("abandon"),
  } as FilePort;
}
