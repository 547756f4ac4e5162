import * as z from "zod";
import { BUCKET_COUNT } from "../../domain/keys.ts";
import { lazily } from "../../domain/lazily.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { Log } from "../../runtime/log.ts";

const counter = lazily(() => z.string().regex(/^\d{1,20}$/));

const keyPosition = lazily(() =>
  z.strictObject({
    bucket: z
      .int()
      .min(0)
      .max(BUCKET_COUNT - 1),
    namespace: z.string(),
    memoryId: z.string(),
  }),
);

const walkPosition = lazily(() =>
  z.union([
    z.strictObject({ stage: z.literal(LEDGER_ID), after: keyPosition().nullable() }),
    z.strictObject({ stage: z.string(), after: z.null() }),
  ]),
);

const quickPosition = lazily(() =>
  z.strictObject({
    epoch: z.string(),
    cursor: z.strictObject({ xid: counter(), seq: counter() }),
    revisit: z.array(z.tuple([z.string(), z.string()])),
  }),
);

/** Where a walk is: at the ledger's memories (stage `postgres`), or at the entries of one projection. */
export interface WalkPosition {
  readonly stage: StoreId;
  /** The last memory that was compared; null at the start of a stage, and in the stages of projections. */
  readonly after: Readonly<z.infer<ReturnType<typeof keyPosition>>> | null;
}

export const WALK_START: WalkPosition = { stage: LEDGER_ID, after: null };

/** Where the next quick pass begins. */
export interface QuickPosition {
  /** The history that the cursor belongs to. */
  readonly epoch: string;
  readonly cursor: { readonly xid: string; readonly seq: string };
  /** Memories whose difference was a write in progress, as pairs of namespace and id. */
  readonly revisit: readonly (readonly [string, string])[];
}

/**
 * @param stores the projections of the walk; null: any, e.g. those of another node.
 * @returns null when `value` is not a position, or is one in a store outside of `stores`.
 */
export function parseWalkPosition(value: unknown, stores: readonly StoreId[] | null): WalkPosition | null {
  const { data } = walkPosition().safeParse(value);
  if (data === undefined) return null;
  return stores === null || data.stage === LEDGER_ID || stores.includes(data.stage) ? data : null;
}

export function parseQuickPosition(value: unknown): QuickPosition | null {
  return quickPosition().safeParse(value).data ?? null;
}

/** Parses a position that the ledger keeps; one that cannot be read makes the check start over, which is logged. */
export function storedPosition<Position>(
  value: unknown,
  parse: (value: unknown) => Position | null,
  check: string,
  log: Log,
): Position | null {
  if (value === null || value === undefined) return null;
  const position = parse(value);
  if (position === null) log.warn({ check, position: value }, "check.position_unreadable");
  return position;
}
