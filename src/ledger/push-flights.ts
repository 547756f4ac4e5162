import { keyText } from "../domain/keys.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { StatementAnswer } from "../drivers/postgres/flight-answers.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import { Turns } from "../runtime/turns.ts";
import { type AppliedChange, inClaimOrder, type PushedFacts } from "./change-claims.ts";
import {
  areAllIn,
  bytesOfNew,
  COPY_BODIES,
  COPY_VERSIONS,
  STANDING,
  standingOf,
  TOKEN,
  writeToken,
} from "./copy-flights.ts";
import { BEGIN, isRefusal } from "./flight-statements.ts";
import { isRowInTheWay, type TransactionToken, type VersionWrite, type WriteAnswer } from "./write-statements.ts";
import { bodyRow, versionRow } from "./written-rows.ts";

const COPY_CLAIMS: FlightStatement = {
  name: "copy_claims",
  text: "copy mnemosync.hub_claims (device, key, fingerprint, namespace, memory_id, version) from stdin (format binary)",
  types: [],
};
const COPY_WRITERS: FlightStatement = {
  name: "copy_writers",
  text: "copy mnemosync.hub_memories (namespace, memory_id, version, device, key, holder) from stdin (format binary)",
  types: [],
};

/** The epoch, and the devices as they stand: as `readPushedFacts` has them. */
const EPOCH: FlightStatement = {
  name: "epoch_of_push",
  text: "select value from mnemosync.sync_meta where name = 'store_epoch'",
  types: [],
};
const DEVICES: FlightStatement = {
  name: "devices_of_push",
  text: `select device, settled_through, revoked_at is not null from mnemosync.hub_devices
    where device = any ($1) order by device for key share`,
  types: [OID.textArray],
};

const STATEMENTS = [BEGIN, COPY_VERSIONS, COPY_BODIES, TOKEN, COPY_CLAIMS, COPY_WRITERS, STANDING, EPOCH, DEVICES];

/** How pushed changes were written whose memories were taken for new. */
export interface NewlyPushed {
  /**
   * `guessed_wrong`: one of the memories is not new, the tombstone of one was pruned, or one of the keys is claimed. After all but
   * `written` the transaction must be rolled back.
   */
  readonly answer: WriteAnswer | "guessed_wrong";
  /** One per change, in order, where they are `written`. They may still say that one of them must not be applied. */
  readonly facts: readonly PushedFacts[];
}

/**
 * Begins a transaction, writes memories that are taken for new, claims the keys of the changes that write them, and reads what is
 * known of their devices, in one flight. Nothing is looked for before: a row or a claim in the way fails it.
 *
 * The order is that of all writers: memories in the order of keys, then claims in theirs, then devices. A claim that a settling deletes
 * meanwhile is waited for, and then shows in the floor, which is read behind it: see `readPushedFacts`.
 * `writes` must be in key order, all of the first version; `applied` has one change for each.
 */
export async function beginWithPushed(
  flights: FlightChannel,
  writes: readonly VersionWrite[],
  token: TransactionToken,
  applied: readonly AppliedChange[],
): Promise<NewlyPushed> {
  const flight = flights.begin(STATEMENTS, bytesOfNew(writes) + applied.length * 400);
  flight.execute(BEGIN);
  const turns = new Turns();
  await flight.copyInTurns(COPY_VERSIONS, writes, turns, (write, values) => versionRow(values, write, token, true));
  await flight.copyInTurns(COPY_BODIES, writes, turns, (write, values) => bodyRow(values, write, token, true));
  writeToken(flight, writes, token);
  flight.copy(COPY_CLAIMS, (values) => {
    for (const change of inClaimOrder(applied)) {
      values.row(6);
      values.text(change.device);
      values.text(change.key);
      values.text(change.fingerprint);
      values.text(change.namespace);
      values.text(change.memoryId);
      values.int64(change.version);
    }
  });
  const ofMemory = new Map(applied.map((change) => [keyText(change), change]));
  flight.copy(COPY_WRITERS, (values) => {
    for (const write of writes) {
      const change = ofMemory.get(keyText(write)) as AppliedChange;
      values.row(6);
      values.text(write.namespace);
      values.text(write.memoryId);
      values.int64(write.version);
      values.text(change.device);
      values.text(change.key);
      values.text(change.holder);
    }
  });
  standingOf(flight, writes);
  flight.execute(EPOCH);
  const names = [...new Set(applied.map(({ device }) => device))];
  flight.execute(DEVICES, (values) => values.array(OID.text, names, (name) => values.text(name)));
  try {
    const [, versions, bodies, , claims, writers, standing, epoch, devices] = await flights.send(flight);
    const hasFloor = standing?.rows[0]?.[1];
    if (hasFloor == null) throw new TypeError("the server told no floors");
    if (hasFloor[0] !== 0) return { answer: "guessed_wrong", facts: [] };
    if (!areAllIn([versions, bodies, claims, writers], writes)) return { answer: "copy_refused", facts: [] };
    return { answer: "written", facts: factsOf(applied, epoch, devices) };
  } catch (error) {
    if (isRowInTheWay(error) || isClaimInTheWay(error)) return { answer: "guessed_wrong", facts: [] };
    if (isRefusal(error)) return { answer: "copy_refused", facts: [] };
    throw error;
  }
}

function factsOf(
  applied: readonly AppliedChange[],
  epoch: StatementAnswer | undefined,
  devices: StatementAnswer | undefined,
): PushedFacts[] {
  const text = (column: Buffer | null | undefined): string | null => column?.toString("utf8") ?? null;
  const known = new Map<string, PushedFacts["device"]>();
  for (const [device, settledThrough, isRevoked] of devices?.rows ?? []) {
    known.set(text(device) ?? "", { settledThrough: text(settledThrough), isRevoked: isRevoked?.[0] === 1 });
  }
  const common = { epoch: text(epoch?.rows[0]?.[0]) ?? "", taken: null, privacy: null, holder: null };
  return applied.map(({ device }) => ({ ...common, device: known.get(device) ?? null }));
}

/** Whether a key was claimed before, or a memory's last writer is known: then the rows say more. */
function isClaimInTheWay(error: unknown): boolean {
  const { code, constraint_name: constraint } = error as { code?: unknown; constraint_name?: unknown };
  return code === "23505" && (constraint === "hub_claims_pkey" || constraint === "hub_memories_pkey");
}
