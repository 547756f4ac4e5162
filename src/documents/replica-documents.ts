import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { REPLICATION_STATES } from "../replica/events.ts";
import type { Letter } from "../replica/letter-statements.ts";
import type { Promotion } from "../replica/promote.ts";
import type { ReplicaReport } from "../replica/report.ts";
import type { Verification } from "../replica/verifier.ts";
import { DIFFERENCES } from "../replica/verify-statements.ts";
import { count, instant, iso, isoOrNull, json, memoryKey } from "./fields.ts";

/** The replica, as HTTP and `--json` show it. */

export const replicaStatusSchema = lazily(() =>
  z
    .strictObject({
      name: z.string(),
      state: z.enum(["off", ...REPLICATION_STATES]).describe("Of this node; off: there is no replica"),
      reason: z.string().nullable().describe("Why this node does not go on"),
      isUp: z.boolean().describe("Whether the replica answers"),
      isPaused: z.boolean().describe("By an operator, on all nodes"),
      leader: z.string().nullable().describe("The process that replicates"),
      phase: z.enum(["filling", "comparing", "following"]).nullable().describe("Null: the replica does not answer"),
      epoch: z.string().nullable().describe("Of the primary, of which the replica has all up to its place"),
      cursor: z
        .strictObject({ xid: z.string(), seq: z.string() })
        .nullable()
        .describe("Its place in the primary's feed"),
      movedAt: instant().nullable(),
      lag: z
        .strictObject({
          changes: count().describe("Up to 100,000"),
          seconds: z.number().describe("Age of the oldest one"),
        })
        .nullable(),
      deadLetters: z.strictObject({ waiting: count(), dead: count() }).nullable(),
      diverged: count().nullable().describe("Versions that the primary lost and the replica keeps, up to 100,000"),
    })
    .meta({ id: "ReplicaStatus" }),
);

export function replicaStatusDocument({
  movedAt,
  ...report
}: ReplicaReport): z.output<ReturnType<typeof replicaStatusSchema>> {
  return { ...report, movedAt: isoOrNull(movedAt) };
}

const letterSchema = lazily(() =>
  z
    .strictObject({
      id: z.string(),
      store: z.string().describe("The replica's name"),
      operation: z.enum(["put", "delete", "withdraw", "erase"]),
      ...memoryKey(),
      data: json().describe("Version, transaction and time of the change that was refused; never its content"),
      at: instant().describe("When it was refused first"),
      attempts: count(),
      lastError: z.string(),
      nextAttemptAt: instant().nullable().describe("Null: it is dead, and tried again on demand only"),
    })
    .meta({ id: "ReplicaDeadLetter" }),
);

export const replicaLettersSchema = lazily(() =>
  z.strictObject({ deadLetters: z.array(letterSchema()).describe("Oldest first") }).meta({ id: "ReplicaDeadLetters" }),
);

export function deadLettersDocument(letters: readonly Letter[]): z.output<ReturnType<typeof replicaLettersSchema>> {
  return {
    deadLetters: letters.map(({ data, at, nextAttemptAt, ...letter }) => ({
      ...letter,
      data: JSON.parse(data) as Record<string, unknown>,
      at: iso(at),
      nextAttemptAt: isoOrNull(nextAttemptAt),
    })),
  };
}

export const verificationSchema = lazily(() =>
  z
    .strictObject({
      clean: z.boolean(),
      checked: count().describe("Live memories of the replica"),
      bucketsCompared: count().describe("Of 65,536: those that were looked at memory by memory"),
      findings: z.array(
        z.strictObject({
          ...memoryKey(),
          kind: z.enum(DIFFERENCES),
          primaryVersion: count().nullable(),
          replicaVersion: count().nullable(),
          repaired: z.boolean().nullable().describe("Null: no repair was asked for"),
        }),
      ),
      underway: count().describe("Memories that changed at each look"),
      cut: z.boolean().describe("Whether more than 10,000 differ"),
    })
    .meta({ id: "ReplicaVerification" }),
);

export function verificationDocument(verification: Verification): z.output<ReturnType<typeof verificationSchema>> {
  return { ...verification, findings: [...verification.findings] };
}

export const promotionSchema = lazily(() =>
  z
    .strictObject({
      formerLedger: z.string(),
      ledger: z.string(),
      epoch: z.string(),
      memories: count(),
      diverged: count(),
    })
    .meta({ id: "ReplicaPromotion" }),
);
true satisfies Promotion extends z.output<ReturnType<typeof promotionSchema>> ? true : never;
