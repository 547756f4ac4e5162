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
 * Goal: no fault of the FAISS host fails a write or makes an outcome lie. Method: kill and freeze it at every point, for
 * writes that every store is asked about before, and for writes of one, two and 128 memories that none is asked about. It is
 * a child process that is talked to through a pipe, not through TCP: there is no link that could be reset, and a black
 * hole to it is what a frozen process is.
 */
// PostgreSQL is well here, so a lost reply of COMMIT is always explained, on a slow machine later.
const worlds = new MatrixWorlds(faultServers(), { inDoubtTimeoutMs: 5_000 });

const killed: Fault = { store: "the FAISS host", name: "killed", begin: (world) => world.killHost() };
const frozen: Fault = { store: "the FAISS host", name: "frozen", begin: (world) => world.freezeHost() };

/**
 * A signal takes its time: a host that is hit during prepare may have answered it already, and be missed only after the
 * commit, which then stands. That each outcome is true is looked at all the same.
 */
function refusedOrWritten(statuses: string[]): void {
  refusedOrSynced(statuses.filter((status) => status !== "degraded"));
}

/** Nothing of such a write concerns the host before its publish. */
const POINTS = UNPREPARED_POINTS.filter((point) => point !== "between rows and commit");

const written = () => ({ expectStatuses: neverFails });

for (const fault of [killed, frozen]) {
  describeFault(worlds, fault, "under degrade", written);
  describeFault(worlds, fault, "under degrade, unprepared", unprepared(written), POINTS);
  describeFault(
    worlds,
    fault,
    "under reject",
    (point) => ({
      onStoreDown: "reject",
      expectStatuses: isCommitted(point) ? neverFails : point === "during prepare" ? refusedOrWritten : refusedOrSynced,
    }),
    ["before prepare", "during prepare", "during publish"],
  );
}

// Frozen before the call is sent and killed while it waits: surely in the midst of it.
const midway: Fault = {
  ...killed,
  begin: (world) => {
    world.freezeHost();
    setTimeout(() => world.killHost(), 50);
  },
};
describeFault(worlds, midway, "while it holds a call", written, ["before prepare", "between commit and publish"]);
describeFault(worlds, midway, "while it holds a call, unprepared", unprepared(written), ["between commit and publish"]);
