import { ConfigurationError } from "../../domain/errors.ts";
import { type JournaledContent, JournaledFile, type JournaledFileParts } from "./journaled-file.ts";
import { takeLock } from "./process-lock.ts";
import type { RunLog } from "./run-log.ts";
import type { RunRecord } from "./state.ts";

export interface RunContent extends JournaledContent {
  readonly runs: RunLog;
}

/**
 * A journaled file that one process at a time changes: the one that `<path>.lock` names. What another one wrote before is read
 * once the lock is taken, so that it is never replaced by what was read earlier.
 */
export class RunFile<Content extends RunContent> {
  readonly #path: string;
  readonly #parts: JournaledFileParts<Content>;
  #file: JournaledFile<Content>;
  #unlock: (() => Promise<void>) | null = null;

  private constructor(path: string, parts: JournaledFileParts<Content>, file: JournaledFile<Content>) {
    this.#path = path;
    this.#parts = parts;
    this.#file = file;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open<Content extends RunContent>(
    path: string,
    parts: JournaledFileParts<Content>,
  ): Promise<RunFile<Content>> {
    return new RunFile(path, parts, await JournaledFile.open(path, parts));
  }

  get content(): Content {
    return this.#file.content;
  }

  /** @returns the run that goes on, where another process has the lock. */
  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    if (!(await this.#lock())) return { running: this.content.runs.running ?? run };
    this.content.runs.begin(run);
    await this.#file.save();
    return null;
  }

  /** Makes a change durable that the content has taken over already. Within a run. */
  async append(line: object): Promise<void> {
    await this.#file.append(line);
  }

  async end(run: RunRecord): Promise<void> {
    this.content.runs.put(run);
    await this.#file.save();
    await this.#free();
  }

  /** Changes the content outside of a run. @throws {ConfigurationError} A run of another process goes on. */
  async change<T>(change: (content: Content) => T): Promise<T> {
    const isOwn = this.#unlock !== null;
    if (!isOwn && !(await this.#lock())) {
      throw new ConfigurationError(`${this.#path} is in use by the run of another process: wait until it has ended`);
    }
    try {
      const result = change(this.content);
      await this.#file.save();
      return result;
    } finally {
      if (!isOwn) await this.#free();
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#free();
  }

  async #lock(): Promise<boolean> {
    const unlock = await takeLock(`${this.#path}.lock`);
    if (unlock === null) return false;
    this.#unlock = unlock;
    this.#file = await JournaledFile.open(this.#path, this.#parts);
    return true;
  }

  async #free(): Promise<void> {
    await this.#unlock?.();
    this.#unlock = null;
  }
}
