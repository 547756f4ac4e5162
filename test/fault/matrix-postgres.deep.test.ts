import {
  type CaseOptions,
  describeFault,
  type Fault,
  isCommitted,
  MatrixWorlds,
  neverFails,
  type Point,
  refusedOrSynced,
  UNPREPARED_POINTS,
  unprepared,
  writtenOrRefused,
} from "../support/fault-matrix.ts";
import { faultServers } from "../support/fault-servers.ts";

/**
 * Goal: with Postgres lost at any moment, a write is there as a whole or not at all, and its outcome says which; that it
 * cannot be known is said only where COMMIT was sent. Method: every fault at every point, once gone for longer than the
 * writer's patience, and once back within it; writes that every store is asked about before, and writes of one, two and 128
 * memories that none is asked about.
 */
const worlds = new MatrixWorlds(faultServers());

const faults: Fault[] = [
  { store: "Postgres", name: "killed", begin: ({ servers }) => servers.postgres.kill() },
  { store: "Postgres", name: "frozen", begin: ({ servers }) => servers.postgres.freeze() },
  { store: "Postgres", name: "in a black hole", begin: ({ servers }) => servers.postgresProxy.blackHole() },
  { store: "Postgres", name: "reset", begin: ({ servers }) => servers.postgresProxy.reset() },
];

/** Points before COMMIT is sent: there, an outcome that cannot be known would be one too many. */
const DECIDED: readonly Point[] = ["before prepare", "during prepare", "before the rows"];

function expected(fault: Fault, point: Point): CaseOptions["expectStatuses"] {
  // A reset is over as soon as it has happened, so a second try goes through.
  if (isCommitted(point) || fault.name === "reset") return neverFails;
  if (!DECIDED.includes(point)) return writtenOrRefused;
  return (statuses) => {
    // The flight of the lone memory, which is the first, has COMMIT in it.
    const decided = point === "before the rows" ? 1 : 0;
    writtenOrRefused(statuses.slice(0, decided));
    refusedOrSynced(statuses.slice(decided));
  };
}

const AWAY = "away for longer than writers wait";
const BACK = "back while the writers still try";

for (const fault of faults) {
  const options = (point: Point) => ({ expectStatuses: expected(fault, point) });
  describeFault(worlds, fault, AWAY, options);
  describeFault(worlds, fault, `${AWAY}, unprepared`, unprepared(options), UNPREPARED_POINTS);
}

for (const fault of faults.filter(({ name }) => name !== "reset")) {
  const options = (point: Point) => ({ endsAfterMs: 100, expectStatuses: expected(fault, point) });
  describeFault(worlds, fault, BACK, options);
  describeFault(worlds, fault, `${BACK}, unprepared`, unprepared(options), UNPREPARED_POINTS);
}

describeFault(
  worlds,
  faults[3] as Fault,
  "under reject",
  () => ({ onStoreDown: "reject", expectStatuses: neverFails }),
  ["before prepare", "when COMMIT is sent and its reply lost", "during publish"],
);
