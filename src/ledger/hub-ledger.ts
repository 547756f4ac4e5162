import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import { readCurrentMemories, readWriters } from "./change-claims.ts";
import * as devices from "./device-statements.ts";

const Statements = bindStatements({
  noteDevice: devices.noteDevice,
  recogniseDevice: devices.recogniseDevice,
  moveDevice: devices.moveDevice,
  keepDevicePlace: devices.keepDevicePlace,
  listDevices: devices.listDevices,
  readDevice: devices.readDevice,
  revokeDevice: devices.revokeDevice,
  admitDevice: devices.admitDevice,
  countClaims: devices.countClaims,
  readTombstonesPruned: devices.readTombstonesPruned,
  readDeviceGauges: devices.readDeviceGauges,
  readWriters,
  readCurrentMemories,
});

/** The ledger's side of the hub: devices, and who wrote which memory. */
export class HubLedger extends Statements {
  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    super(new LedgerCalls(postgres, callTimeoutMs));
  }
}
