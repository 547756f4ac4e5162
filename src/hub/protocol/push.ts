import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { VERSION_MAX } from "../../domain/version-vector.ts";
import { changeKeySchema, deviceSchema, epochSchema } from "./change-key.ts";
import { hubChangeSchema } from "./changes.ts";
import { REJECTED_CODES, RETRY_CODES } from "./codes.ts";
import { wireMemorySchema } from "./wire-memory.ts";

/** Changes of one push, at most. */
export const PUSH_CHANGES_MAX = 500;
/** Bytes of one push as JSON, at most: a memory of the largest size fits, escapes and vector included. */
export const PUSH_BYTES_MAX = 8_388_608;

/** The last moment that a date can name, in milliseconds since 1970. */
export const TIME_MAX = 8_640_000_000_000_000;

const time = lazily(() => z.number().min(0).max(TIME_MAX));

const base = lazily(() => ({
  key: changeKeySchema(),
  namespace: z.string(),
  memoryId: z.string(),
  baseVersion: z
    .int()
    .min(0)
    .max(VERSION_MAX)
    .nullable()
    .describe(
      "The hub's version that the change was made on; 0: the device knew none, or a deletion. Null: one of another epoch, " +
        "so the change is applied only where the hub has no trace of the memory",
    ),
  modifiedAt: time().describe("Milliseconds since 1970, by the device's clock: when the change was made"),
}));

/**
 * A change, frozen from its first sending on.
 *
 * - `put`: the memory is as given. Of a `redacted` one only the given fields change: withheld fields are never written.
 * - `delete`: the memory is deleted.
 * - `withdraw`: its privacy was raised, so its content leaves the hub, history included, whatever version it is at. A memory
 *   that is `redacted` from now on is put again behind it, on the version that the withdrawal got.
 */
export const pushChangeSchema = lazily(() =>
  z
    .discriminatedUnion("op", [
      z.strictObject({ ...base(), op: z.literal("put"), memory: wireMemorySchema() }),
      z.strictObject({ ...base(), op: z.literal("delete") }),
      z.strictObject({ ...base(), op: z.literal("withdraw") }),
    ])
    .meta({ id: "HubPushChange" }),
);
export type PushChange = z.output<ReturnType<typeof pushChangeSchema>>;

const head = lazily(() => ({
  epoch: epochSchema()
    .nullable()
    .describe(
      "The epoch that the versions belong to. Another one than the hub's: nothing is applied. Null: none is known yet",
    ),
  sentAt: time().describe("Milliseconds since 1970, by the device's clock: now"),
  settledThrough: changeKeySchema()
    .nullable()
    .describe(
      "The device sends no key up to this one again, and has kept what it was answered: the hub forgets the answers, and " +
        "refuses the keys from now on. It never goes back",
    ),
}));

/** Body of `POST /v1/hub/push`. The elements are checked one by one: a malformed change does not sink the others. */
export const pushSchema = lazily(() =>
  z
    .strictObject({ device: deviceSchema(), ...head(), changes: z.array(z.unknown()).max(PUSH_CHANGES_MAX) })
    .meta({ id: "HubPush" }),
);

/** What `Hub.push` is given: the transport knows the device. */
export interface PushChanges {
  readonly epoch: string | null;
  readonly sentAt: number;
  readonly settledThrough: string | null;
  readonly changes: readonly PushChange[];
}

/** The answer to one change. Only `applied` and `duplicate` say that it is durable at the hub. */
export const pushAnswerSchema = lazily(() =>
  z
    .discriminatedUnion("status", [
      z.strictObject({
        status: z.literal("applied"),
        version: z.int().nonnegative().describe("The memory's version now; 0: there was nothing to end"),
      }),
      z.strictObject({
        status: z.literal("duplicate"),
        version: z.int().nonnegative().describe("It was applied before: the version of then"),
      }),
      z.strictObject({
        status: z.literal("conflict"),
        current: hubChangeSchema().nullable().describe("The memory at the hub now. Null: the hub knows no such memory"),
      }),
      z.strictObject({ status: z.literal("rejected"), code: z.enum(REJECTED_CODES), message: z.string() }),
      z.strictObject({
        status: z.literal("retry"),
        code: z.enum(RETRY_CODES),
        message: z.string(),
        afterMs: z.int().nonnegative().describe("Milliseconds to wait at least"),
      }),
    ])
    .meta({ id: "HubPushAnswer" }),
);
export type PushAnswer = z.output<ReturnType<typeof pushAnswerSchema>>;

export const pushAnswersSchema = lazily(() =>
  z
    .strictObject({
      epoch: epochSchema(),
      receivedAt: z.number().describe("The hub's clock when the push arrived, in milliseconds since 1970"),
      answers: z.array(pushAnswerSchema()).describe("One per change, in order"),
    })
    .meta({ id: "HubPushAnswers" }),
);
export type PushAnswers = z.output<ReturnType<typeof pushAnswersSchema>>;
