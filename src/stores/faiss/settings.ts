import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import * as z from "zod";
import { ConfigurationError } from "../../domain/errors.ts";
import { DEFAULT_DIMENSION, ONCE, wholeNumber } from "../../domain/settings.ts";
import type { FaissOptions } from "./options.ts";

const share = () => z.number().min(0).max(1);

/**
 * The settings under `faiss`, declared once: bounds, default and description. `FaissOptions` documents the same fields
 * for programs; the type check at the end of this file keeps the two equal.
 */
export const faissSettings = z
  .strictObject({
    directory: z
      .string()
      .min(1, "expected the folder of the index's snapshots")
      .describe("Folder of the vector index; only one process can open it; none: no FAISS index"),
    dimension: wholeNumber(1, 16_384).default(DEFAULT_DIMENSION).describe("Numbers per vector"),
    metric: z.enum(["cosine", "ip", "l2"]).default("cosine").describe("How vectors are compared"),
    model: z.string().min(1).max(256).optional().describe("The embedding model whose vectors the index holds"),
    factory: z
      .string()
      .regex(/^[A-Za-z0-9_,()[\]-]{1,64}$/, 'expected a factory string of FAISS, like "HNSW32" or "IVF1024,Flat"')
      .default("Flat")
      .describe(
        "Main index of large namespaces as FAISS's factory takes it: Flat is exact, HNSW32 and others are faster",
      ),
    nprobe: wholeNumber(1, 1_000_000).default(32).describe("Lists of an IVF index that a search visits"),
    efSearch: wholeNumber(1, 100_000).default(128).describe("Candidates that a search of an HNSW index keeps"),
    mainRowsMin: wholeNumber(1)
      .default(20_000)
      .describe("Live vectors at which a namespace gets a main index other than Flat"),
    deltaShareMax: share()
      .default(0.25)
      .describe("Share of a namespace's vectors outside of its main index at which the main index is rebuilt"),
    deadShareMax: share().default(0.3).describe("Share of dead vectors at which a namespace is compacted"),
    snapshotsKept: wholeNumber(1, 100)
      .default(2)
      .describe("Snapshots kept; the host loads an older one when the newest is damaged"),
    snapshotIntervalMs: wholeNumber(100, 86_400_000)
      .default(300_000)
      .describe("Milliseconds from a change until a snapshot contains it"),
    snapshotChangesMax: wholeNumber(1).default(200_000).describe("Changes after which a snapshot is written at once"),
    hostPingIntervalMs: wholeNumber(10, 60_000)
      .default(5_000)
      .describe("Milliseconds between two pings of the host process"),
    hostStallMs: wholeNumber(20, 3_600_000)
      .default(60_000)
      .describe(
        "Milliseconds without an answer to a ping after which the host process is restarted; at least twice hostPingIntervalMs",
      ),
    hostBackoffMaxMs: wholeNumber(10, 600_000)
      .default(30_000)
      .describe("Longest pause in milliseconds between two starts of a host process that keeps crashing"),
    hostThreads: wholeNumber(1, 256)
      .optional()
      .describe("Threads that FAISS may use; by default one less than the number of CPU cores, and at least 1"),
    pendingCallsMax: wholeNumber(1, 65_536)
      .default(1_024)
      .describe("Calls that may wait for the host process at a time; further calls are refused"),
    heldBytesMax: wholeNumber(0)
      .default(268_435_456)
      .describe("Bytes of vectors held for prepared transactions; beyond them, vectors are sent again at publish"),
    heldTtlMs: wholeNumber(1_000, 86_400_000)
      .default(120_000)
      .describe("Milliseconds that the vectors of a prepared transaction are held; longer than a transaction may take"),
    closeTimeoutMs: wholeNumber(10, 600_000)
      .default(5_000)
      .describe("Milliseconds that a close waits for the host process to end before it kills the process"),
  })
  .superRefine(({ hostPingIntervalMs, hostStallMs }, context) => {
    if (hostStallMs >= 2 * hostPingIntervalMs) return;
    const message = `expected at least twice hostPingIntervalMs, which is ${2 * hostPingIntervalMs}`;
    context.addIssue({ code: "custom", path: ["hostStallMs"], message });
  });

/** Value of `directory` for a deployment without a FAISS index. Write `./none` for a folder of that name. */
export const NO_INDEX = "none";

/** The parsed settings, with defaults applied. */
export type FaissSettings = z.output<typeof faissSettings>;

/** Options that only a program can give. */
type ProgramOnly = "onProgress";

export type ResolvedFaissOptions = Omit<FaissSettings, "model" | "hostThreads"> & {
  readonly model: string | null;
  readonly hostThreads: number;
  readonly onProgress: NonNullable<FaissOptions[ProgramOnly]>;
};

/** The options with their defaults. @throws {ConfigurationError} naming the option, the expected and the found value. */
export function resolveOptions(options: FaissOptions): ResolvedFaissOptions {
  const { onProgress = () => undefined, ...input } = options;
  const parsed = faissSettings.safeParse(input, ONCE);
  if (!parsed.success) throw optionError(parsed.error, input);
  const { directory, model = null, hostThreads = Math.max(1, availableParallelism() - 1), ...others } = parsed.data;
  return { ...others, directory: resolve(directory), model, hostThreads, onProgress };
}

function optionError(error: z.ZodError, input: Record<string, unknown>): ConfigurationError {
  const [issue] = error.issues;
  if (issue?.code === "unrecognized_keys") {
    const known = Object.keys(faissSettings.shape).join(", ");
    return new ConfigurationError(`unknown option faiss.${issue.keys[0]}; there are ${known}`, { cause: error });
  }
  const name = String(issue?.path[0] ?? "");
  const found = input[name] === undefined ? "nothing was given" : `found ${JSON.stringify(input[name])}`;
  return new ConfigurationError(`option faiss.${name}: ${issue?.message ?? "is not valid"}; ${found}`, {
    cause: error,
  });
}

/** `true` when both have the same fields, of the same types, and require the same ones. */
type Same<A, B> = [A, Required<A>] extends [B, Required<B>]
  ? [B, Required<B>] extends [A, Required<A>]
    ? true
    : never
  : never;
/** Does not compile once schema and interface differ. */
true satisfies Same<z.input<typeof faissSettings>, Omit<FaissOptions, ProgramOnly>>;
