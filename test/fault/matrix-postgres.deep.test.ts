import {
  describeFault,
  type Fault,
  isCommitted,
  MatrixWorlds,
  neverFails,
  type Point,
  refusedOrSynced,
  writtenOrRefused,
} from "../support/fault-matrix.ts";
import { faultServers } from "../support/fault-servers.ts";

/**
 * Goal: with Postgres lost at any moment, a write is there as a whole or not at all, and its outcome says which; that it
 * cannot be known is said only where COMMIT was sent. Method: every fault at every point, once gone for longer than the
 * writer's patience, and once back within it.
 */
const worlds = new MatrixWorlds(faultServers());

const faults: Fault[] = [
  { store: "Postgres", name: "killed", begin: ({ servers }) => servers.postgres.kill() },
  { store: "Postgres", name: "frozen", begin: ({ servers }) => servers.postgres.freeze() },
  { store: "Postgres", name: "in a black hole", begin: ({ servers }) => servers.postgresProxy.blackHole() },
  { store: "Postgres", name: "reset", begin: ({ servers }) => servers.postgresProxy.reset() },
];

/** Points before COMMIT is sent: there, an outcome that cannot be known would be one too many. */
const isDecided = (point: Point): boolean => ["before prepare", "during prepare"].includes(point);

function expected(fault: Fault, point: Point): (statuses: string[]) => void {
  // A reset is over as soon as it has happened, so a second try goes through.
  if (isCommitted(point) || fault.name === "reset") return neverFails;
  return isDecided(point) ? refusedOrSynced : writtenOrRefused;
}

for (const fault of faults) {
  describeFault(worlds, fault, "away for longer than writers wait", (point) => ({
    expectStatuses: expected(fault, point),
  }));
}

for (const fault of faults.filter(({ name }) => name !== "reset")) {
  describeFault(worlds, fault, "back while the writers still try", (point) => ({
    endsAfterMs: 100,
    expectStatuses: expected(fault, point),
  }));
}

describeFault(
  worlds,
  faults[3] as Fault,
  "under reject",
  () => ({ onStoreDown: "reject", expectStatuses: neverFails }),
  ["before prepare", "when COMMIT is sent and its reply lost", "during publish"],
);
