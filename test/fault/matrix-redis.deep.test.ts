import {
  describeFault,
  type Fault,
  isCommitted,
  MatrixWorlds,
  neverFails,
  refusedOrSynced,
  UNPREPARED_POINTS,
  unprepared,
} from "../support/fault-matrix.ts";
import { faultServers } from "../support/fault-servers.ts";

/**
 * Goal: no fault of Redis fails a write or makes an outcome lie. Method: every fault at every point of the path, for writes that every
 * store is asked about before, and for writes of one, two and 128 memories that none is asked about.
 */
// PostgreSQL is well here, so a lost reply of COMMIT is always explained, on a slow machine later.
const worlds = new MatrixWorlds(faultServers(), { inDoubtTimeoutMs: 5_000 });

const faults: Fault[] = [
  { store: "Redis", name: "killed", begin: ({ servers }) => servers.redis.kill() },
  { store: "Redis", name: "frozen", begin: ({ servers }) => servers.redis.freeze() },
  { store: "Redis", name: "in a black hole", begin: ({ servers }) => servers.redisProxy.blackHole() },
  { store: "Redis", name: "reset", begin: ({ servers }) => servers.redisProxy.reset() },
];

/** Nothing of such a write concerns Redis before its publish. */
const POINTS = UNPREPARED_POINTS.filter((point) => point !== "between rows and commit");

for (const fault of faults) {
  const options = () => ({ expectStatuses: neverFails });
  describeFault(worlds, fault, "under degrade", options);
  describeFault(worlds, fault, "under degrade, unprepared", unprepared(options), POINTS);
}

for (const fault of faults.filter(({ name }) => name === "killed" || name === "in a black hole")) {
  describeFault(
    worlds,
    fault,
    "under reject",
    (point) => ({
      onStoreDown: "reject",
      expectStatuses: isCommitted(point) || point === "between prepare and commit" ? neverFails : refusedOrSynced,
    }),
    ["before prepare", "during prepare", "between prepare and commit", "during publish"],
  );
}
