import { ValidationError } from "../domain/errors.ts";
import type { NewJob } from "../ledger/job-statements.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { JobKind } from "./job-kind.ts";
import { encodeJson, PAYLOAD_BYTES_MAX } from "./payload.ts";

/** A job of `kind`, not in the ledger yet. @throws {ValidationError} The input is not what the kind takes. */
export function newJob(kind: JobKind, input: unknown, schedule: string | null = null): NewJob {
  const parsed = kind.inputSchema.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ValidationError(["input", ...(issue?.path ?? [])].join("."), issue?.message ?? "is not valid");
  }
  return {
    id: newUlid(),
    kind: kind.kind,
    input: encodeJson("input", parsed.data, PAYLOAD_BYTES_MAX.input),
    exclusive: kind.exclusive?.(parsed.data) ?? null,
    store: kind.store?.(parsed.data) ?? null,
    schedule,
    resumable: kind.whenLost === "resume",
  };
}
