import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { ULID_PATTERN } from "../domain/ulid-text.ts";
import type { JobKind } from "../jobs/job-kind.ts";
import type { Confirmer } from "./confirmer.ts";
import type { Eraser } from "./eraser.ts";

/** The name of the kind of job that erases. */
export const ERASE = "erase";

// Never what is to be erased: a job's input is kept for long, and a filter may quote it.
const inputSchema = lazily(() => z.strictObject({ erasureId: z.string().regex(ULID_PATTERN) }));
const resultSchema = lazily(() => z.object({ memories: z.number() }));

/**
 * Erases what an erasure names from the ledger, then has this node's stores confirm. The ledger says how far it is, so a
 * takeover needs no checkpoint.
 */
export function eraseKind(
  eraser: Pick<Eraser, "run">,
  confirmer: Pick<Confirmer, "register" | "runOnce">,
  onErased: (memories: number) => void,
): JobKind<z.infer<ReturnType<typeof inputSchema>>, z.infer<ReturnType<typeof resultSchema>>> {
  return {
    kind: ERASE,
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return resultSchema();
    },
    whenLost: "resume",
    exclusive: ({ erasureId }) => `${ERASE}:${erasureId}`,
    async run({ input, signal, progress }) {
      await confirmer.register(signal);
      const { erased } = await eraser.run(input.erasureId, signal, (figures) => progress({ ...figures }));
      onErased(erased);
      while (await confirmer.runOnce(signal)) signal.throwIfAborted();
      return { memories: erased };
    },
  };
}
