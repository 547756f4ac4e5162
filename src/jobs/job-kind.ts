import type * as z from "zod";
import { ConfigurationError } from "../domain/errors.ts";
import type { JobProgress } from "./job.ts";

/** The context of one run of a job. */
export interface JobContext<Input> {
  readonly jobId: string;
  readonly input: Input;
  /** Fires when the job is cancelled, when its node stops, and when another node has taken it over. */
  readonly signal: AbortSignal;
  /** What an earlier run kept last, parsed by the kind's `checkpointSchema`; null for the first run. */
  readonly resumeFrom: unknown;
  /** Replaces the figures that the job shows. They reach the ledger within a second or so. */
  progress(figures: JobProgress): void;
  /**
   * Saves the point from which a takeover resumes. All work before it must be in the ledger already.
   * @throws when the run has lost the job: then it must end.
   */
  checkpoint(position: unknown): Promise<void>;
}

/** One kind of job. A room declares its kinds; the composition registers them. */
export interface JobKind<Input = never, Result = unknown> {
  /** A lower-case letter, then up to 62 of `a-z`, `0-9`, `-` and `_`. */
  readonly kind: string;
  /** Checks the input when the job is made, and again when it is read back. */
  readonly inputSchema: z.ZodType<Input>;
  /** Checks the result when it is read back. */
  readonly resultSchema: z.ZodType<Result>;
  /** Checks a checkpoint when it is read back; absent: the kind keeps none. */
  readonly checkpointSchema?: z.ZodType;
  /** What happens to a job whose node was lost: another node takes it over, or it fails with code INTERRUPTED. */
  readonly whenLost: "resume" | "interrupt";
  /** A value that at most one open job of all nodes may have; null: any number may be open. @default null */
  exclusive?(input: Input): string | null;
  /** The store, or another resource by name, that a node must have to run the job; null: any node will do. @default null */
  store?(input: Input): string | null;
  /** Does the work. A run that is resumed may repeat what it did since its last checkpoint. */
  run(context: JobContext<Input>): Promise<Result>;
}

const KIND_PATTERN = /^[a-z][a-z0-9_-]{0,62}$/;

/** The kinds that this process can run. */
export class JobKinds {
  readonly #kinds = new Map<string, JobKind>();

  /** @throws {ConfigurationError} A name is malformed, or taken. */
  register<Input, Result>(kind: JobKind<Input, Result>): void {
    if (!KIND_PATTERN.test(kind.kind)) {
      throw new ConfigurationError(
        `job kind ${JSON.stringify(kind.kind)}: expected a lower-case letter, then at most 62 of a-z, 0-9, "-" and "_"`,
      );
    }
    if (this.#kinds.has(kind.kind)) throw new ConfigurationError(`job kind "${kind.kind}" is registered twice`);
    this.#kinds.set(kind.kind, kind as unknown as JobKind);
  }

  get names(): readonly string[] {
    return [...this.#kinds.keys()];
  }

  /** @throws {ConfigurationError} This process has no such kind. */
  get(name: string): JobKind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    throw new ConfigurationError(`unknown job kind ${JSON.stringify(name)}: expected ${this.names.join(", ")}`);
  }
}
