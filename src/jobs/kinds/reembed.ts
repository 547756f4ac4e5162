import * as z from "zod";
import type { Pace } from "../../consistency/check/pace.ts";
import { type EmbedPageParts, embedPage } from "../../consistency/reembed/embed-page.ts";
import { ConfigurationError } from "../../domain/errors.ts";
import { parseFilter } from "../../domain/filter/filter.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import { lazily } from "../../domain/lazily.ts";
import type { PutChange } from "../../domain/memory.ts";
import { NAMESPACE_PATTERN } from "../../domain/schema.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { JobContext, JobKind } from "../job-kind.ts";

export const REEMBED = "reembed";

/** Memories that are read, embedded and written at a time. */
const PAGE_SIZE = 250;
/** Passes over the ledger, at most. Each takes what others wrote during the one before: it is far less each time. */
const PASSES_MAX = 20;
/** Failures that a report names. */
const FAILURES_MAX = 100;

/** The resource that a node must have to run the job: an embedder of the model. */
export function embedderResource(model: string): string {
  return `embedder/${model}`;
}

const key = lazily(() => z.object({ namespace: z.string(), memoryId: z.string() }));
const failure = lazily(() => key().extend({ code: z.string(), message: z.string() }));
const whole = lazily(() => z.number().int());

export const reembedReportSchema = lazily(() =>
  z.object({
    model: z.string().describe("The model of the new vectors"),
    embedded: whole().describe("Memories that got a new vector"),
    withoutText: whole().describe("Memories of the last pass that have a vector of another model and no text to embed"),
    failed: whole().describe("Memories of the last pass that could not be embedded or written"),
    failures: z.array(failure()).describe("The first 100 of them"),
    passes: whole().describe("Times that the ledger was walked through"),
    complete: z.boolean().describe("Whether the last pass found nothing that is still to be embedded"),
  }),
);

/** The outcome of a re-embedding. */
export type ReembedReport = z.output<ReturnType<typeof reembedReportSchema>>;

const checkpointSchema = lazily(() =>
  z.object({
    pass: whole(),
    after: key().nullable(),
    embedded: whole(),
    thisPass: z.object({
      embedded: whole(),
      moved: whole(),
      withoutText: whole(),
      failed: whole(),
      failures: z.array(failure()),
    }),
  }),
);

type State = z.output<ReturnType<typeof checkpointSchema>>;

export interface ReembedKindParts extends EmbedPageParts {
  readonly ledger: Pick<LedgerStore, "listChanges">;
  /** Whether a memory of the ledger passes a filter. */
  readonly matcher: (where: object) => (change: PutChange) => boolean;
  /** Called when a run begins, and when one has ended, however it ended. */
  readonly onChange?: () => void;
  /** That of checks. Ended after each run. */
  readonly pace: () => Pick<Pace, "turn" | "end">;
}

function inputSchemaOf(model: string) {
  return z.strictObject({
    model: z
      .string()
      .default(model)
      .refine((name) => name === model, `the embedder of this node is of ${JSON.stringify(model)}`),
    namespace: z.string().regex(NAMESPACE_PATTERN).optional(),
    where: z.record(z.string(), z.unknown()).default({}),
  });
}

type Input = z.output<ReturnType<typeof inputSchemaOf>>;

/**
 * Embeds the memories anew that have a vector of another model than this node's embedder. It walks through the ledger until
 * a pass finds nothing to do. One at a time in a deployment: two models would take the memories from each other.
 */
export function reembedKind(parts: ReembedKindParts): JobKind<Input, ReembedReport> {
  const { model } = parts.embedder;
  return {
    kind: REEMBED,
    get inputSchema() {
      return inputSchemaOf(model);
    },
    get resultSchema() {
      return reembedReportSchema();
    },
    get checkpointSchema() {
      return checkpointSchema();
    },
    whenLost: "resume",
    exclusive: () => REEMBED,
    store: (input) => embedderResource(input.model),
    async run(context) {
      const pace = parts.pace();
      parts.onChange?.();
      try {
        return await reembed(parts, pace, context);
      } finally {
        pace.end();
        parts.onChange?.();
      }
    },
  };
}

export const NO_EMBEDDER = "re-embedding needs an embedder: set embedding.provider, or give one to connect";

/** The kind on a node without an embedder: it takes no input, and is never claimed. */
export function reembedKindWithoutEmbedder(): JobKind<never, ReembedReport> {
  return {
    kind: REEMBED,
    get inputSchema() {
      return z.never({ error: NO_EMBEDDER });
    },
    get resultSchema() {
      return reembedReportSchema();
    },
    whenLost: "resume",
    exclusive: () => REEMBED,
    store: () => embedderResource("none"),
    run: () => Promise.reject(new ConfigurationError(NO_EMBEDDER)),
  };
}

async function reembed(
  parts: ReembedKindParts,
  pace: Pick<Pace, "turn">,
  { input, signal, resumeFrom, progress, checkpoint }: JobContext<Input>,
): Promise<ReembedReport> {
  parseFilter(input.where); // A filter that cannot be read must not pass for one that nothing passes.
  const matches = parts.matcher(input.where);
  let state: State = resumeFrom === null ? firstState(input) : checkpointSchema().parse(resumeFrom);
  for (;;) {
    const page = await parts.ledger.listChanges(state.after, PAGE_SIZE, signal);
    const own = page.filter(({ namespace }) => input.namespace === undefined || namespace === input.namespace);
    state = counted(state, await embedPage(parts, own, matches, signal), page.at(-1) ?? null);
    progress({ pass: state.pass, embedded: state.embedded, failed: state.thisPass.failed });
    if (page.length < PAGE_SIZE || own.length < page.length) {
      const { embedded, moved } = state.thisPass;
      const isLast = embedded + moved === 0;
      if (isLast || state.pass === PASSES_MAX) return reportOf(input.model, state, isLast);
      state = { ...firstState(input), pass: state.pass + 1, embedded: state.embedded };
    }
    await checkpoint(state);
    await pace.turn(page.length, signal);
  }
}

function firstState({ namespace }: Input): State {
  const thisPass = { embedded: 0, moved: 0, withoutText: 0, failed: 0, failures: [] };
  return { pass: 1, after: namespace === undefined ? null : { namespace, memoryId: "" }, embedded: 0, thisPass };
}

function counted(state: State, page: Awaited<ReturnType<typeof embedPage>>, last: MemoryKey | null): State {
  const { thisPass } = state;
  return {
    pass: state.pass,
    after: last === null ? state.after : { namespace: last.namespace, memoryId: last.memoryId },
    embedded: state.embedded + page.embedded,
    thisPass: {
      embedded: thisPass.embedded + page.embedded,
      moved: thisPass.moved + page.moved,
      withoutText: thisPass.withoutText + page.withoutText,
      failed: thisPass.failed + page.failures.length,
      failures: [...thisPass.failures, ...page.failures].slice(0, FAILURES_MAX),
    },
  };
}

function reportOf(model: string, { embedded, pass, thisPass }: State, isLast: boolean): ReembedReport {
  const { withoutText, failed, failures } = thisPass;
  return { model, embedded, withoutText, failed, failures, passes: pass, complete: isLast && failed === 0 };
}
