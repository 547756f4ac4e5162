import { type ChildProcess, fork } from "node:child_process";
import { ConfigurationError, InternalError, StoreRefusedError, StoreUnavailableError } from "../../../domain/errors.ts";
import type { Log } from "../../../runtime/log.ts";
import { onAbort } from "../../../runtime/on-abort.ts";
import { BlockFiles } from "../protocol/block-files.ts";
import type { Arguments, HostErrorCode, HostMessage, HostRequest, Operation, Result } from "../protocol/messages.ts";
import { unpackHits } from "../protocol/packed-hits.ts";
import { createScratch, removeScratch } from "../protocol/scratch.ts";
import { abortError } from "./abort-error.ts";
import { hostProgram } from "./host-programs.ts";
import { SearchGatherer, type SearchMany } from "./search-gatherer.ts";

const STDERR_KEPT = 2_000;

export interface HostExit {
  /** How the process ended, for people. */
  readonly description: string;
}

/** The host's index is of another epoch than the changes. */
export class OtherEpoch extends Error {
  readonly epoch: string;
  constructor(epoch: string) {
    super(`the index is of epoch ${epoch}`);
    this.epoch = epoch;
  }
}

interface PendingCall {
  resolve(result: Result<Operation>): void;
  reject(error: Error): void;
}

/** One host process, from its start to its end, and the calls to it. */
export class HostConnection {
  /** Scratch folders that both sides write to; removed when the process has ended. */
  readonly scratch: readonly string[];
  readonly blockFiles: BlockFiles;
  readonly searches: SearchGatherer;
  /** Resolves, never rejects, once the process has ended, every call to it is settled and its folders are removed. */
  readonly exited: Promise<HostExit>;
  readonly #child: ChildProcess;
  readonly #pendingMax: number;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;
  #hasExited = false;
  /** A send failed: a write notices the end of the process before the exit event does. */
  #isBroken = false;

  private constructor(child: ChildProcess, scratch: readonly string[], pendingMax: number, log: Log) {
    this.#child = child;
    this.#pendingMax = pendingMax;
    this.scratch = scratch;
    this.blockFiles = new BlockFiles(scratch);
    const searchMany: SearchMany = async (namespace, queries, k) =>
      unpackHits(await this.request("search", { namespace, queries, k }));
    this.searches = new SearchGatherer(searchMany, pendingMax);
    child.on("message", (message) => this.#receive(message as HostMessage, log));
    this.exited = this.#watch(log);
  }

  /** Starts a process. It answers no call before its `configure`. */
  static async start(threads: number, pendingMax: number, log: Log): Promise<HostConnection> {
    const scratch = await createScratch();
    const { path, nodeArguments } = hostProgram();
    const child = fork(path, [], {
      serialization: "advanced",
      // The host triggers garbage collection itself: V8 does not see the native memory of FAISS (see host/faiss.ts).
      execArgv: ["--expose-gc", ...nodeArguments],
      env: environment(threads),
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    return new HostConnection(child, scratch, pendingMax, log);
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** False once the process has ended, or its channel is lost and it is about to end. */
  get usable(): boolean {
    return !this.#hasExited && !this.#isBroken && this.#child.connected;
  }

  /**
   * @throws {StoreUnavailableError} The process ended, too many calls are waiting, or the signal's deadline passed. The
   *   host may or may not have executed the call.
   * @throws {AbortedError} The signal fired for another reason. The host may or may not have executed the call.
   * @throws {StoreRefusedError} The host refused the call and executed nothing.
   */
  request<O extends Operation>(operation: O, args: Arguments<O>, signal?: AbortSignal): Promise<Result<O>> {
    return new Promise((resolve, reject) => {
      // Reject only after a turn of the event loop: a caller that retries in a tight loop would otherwise starve the very
      // events that end the rejections.
      const refuse = (error: Error): void => void setImmediate(reject, error);
      if (signal?.aborted === true) return refuse(abortError(operation, signal));
      if (!this.usable) return refuse(ended(operation));
      // A heartbeat ping ignores the limit on waiting calls: a full queue may be the symptom of a hung host.
      if (this.#pending.size >= this.#pendingMax && operation !== "ping") {
        return refuse(new StoreUnavailableError("faiss", `${this.#pending.size} calls wait for its host already`));
      }
      const id = this.#nextId++;
      // An aborted call keeps its slot until the host answers or ends, so calls that the host still has stay bounded too.
      const settle = signal && onAbort(signal, () => reject(abortError(operation, signal)));
      this.#pending.set(id, {
        resolve: (result) => {
          settle?.();
          resolve(result as Result<O>);
        },
        reject: (error) => {
          settle?.();
          reject(error);
        },
      });
      const request: HostRequest = { id, operation, args };
      this.#child.send(request, (error) => {
        if (error === null) return;
        this.#isBroken = true;
        this.kill(); // The channel is lost for good.
        setImmediate(() => {
          this.#pending.get(id)?.reject(ended(operation, error));
          this.#pending.delete(id);
        });
      });
    });
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Lets the process shut down, and kills it after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), timeoutMs);
    if (this.#child.connected) this.#child.disconnect();
    await this.exited;
    clearTimeout(timer);
  }

  async #watch(log: Log): Promise<HostExit> {
    let stderr = "";
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT);
    });
    const { stderr: stream } = this.#child;
    // Not the child's "close" event: Node does not emit it when this side disconnected.
    const read = stream === null ? null : new Promise((resolve) => void stream.once("close", resolve));
    const description = await new Promise<string>((resolve) => {
      // A process that failed to start emits "error" and no "exit".
      this.#child.once("error", (error) => this.#child.pid === undefined && resolve(`did not start: ${error.message}`));
      this.#child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    await read;
    this.#hasExited = true;
    for (const call of this.#pending.values()) call.reject(ended("the call"));
    this.#pending.clear();
    await this.blockFiles.close();
    await removeScratch(this.scratch).catch((error: unknown) => {
      log.warn({ error: (error as Error).message, folders: this.scratch }, "host.scratch_not_removed");
    });
    return { description: stderr.trim() === "" ? description : `${description}: ${stderr.trim()}` };
  }

  #receive(message: HostMessage, log: Log): void {
    if ("event" in message) {
      log[message.level](message.fields, message.event);
      return;
    }
    const call = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if ("error" in message) call?.reject(errorFor(message.error.code, message.error.message));
    else call?.resolve(message.result);
  }
}

function ended(operation: string, cause?: Error): StoreUnavailableError {
  return new StoreUnavailableError("faiss", `its host process ended before it answered ${operation}`, { cause });
}

function errorFor(code: HostErrorCode, message: string): Error {
  switch (code) {
    case "INVALID_ARGUMENT":
      return new StoreRefusedError("faiss", message);
    case "NO_ROOM":
      return new StoreRefusedError("faiss", message, { retryable: true });
    case "BINDING_MISSING":
      return new ConfigurationError(
        `${message}: run \`npx mnemosync setup\`, which downloads or compiles it, or leave FAISS out (faiss.directory: none)`,
      );
    case "BAD_CONFIGURATION":
      return new ConfigurationError(`faiss.factory: ${message}`);
    case "OTHER_EPOCH":
      return new OtherEpoch(message);
    case "INTERNAL":
      return new InternalError(`the FAISS host failed: ${message}`);
  }
}

/** Passes only the variables that the host needs: no connection strings, and not the caller's NODE_OPTIONS. */
function environment(threads: number): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = {};
  for (const name of ["PATH", "HOME", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "TZ", "SystemRoot"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
}
