import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { HubError } from "../hub/protocol/codes.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { EdgeSync } from "./edge-sync.ts";
import { EdgeFileError } from "./errors.ts";
import type { EdgeSettings } from "./settings.ts";
import { dayOf } from "./sync/results.ts";
import type { FilePort } from "./worker/file-port.ts";

export interface DoctorCheck {
  readonly name: "file" | "disk" | "outbox" | "conflicts" | "hub" | "clock";
  readonly state: "ok" | "warning" | "failure";
  readonly message: string;
}

export interface DoctorReport {
  readonly healthy: boolean;
  readonly checks: readonly DoctorCheck[];
}

const HUB_MAX_MS = 10_000;
const SKEW_MAX_MS = 60_000;
const DISK_BYTES_MIN = 104_857_600;
/** Older than this while the hub answers, a change is stuck. The alert rule has the same figure. */
const STUCK_MS = 600_000;

/** Looks at everything that an edge needs. Changes nothing. */
export async function examineEdge(
  port: FilePort,
  sync: EdgeSync | null,
  settings: EdgeSettings,
  now: () => number,
): Promise<DoctorReport> {
  const hub = await hubChecks(sync, settings.namespaces, now);
  const isOnline = hub.some(({ name, state }) => name === "hub" && state === "ok");
  const checks = [
    await fileCheck(port, settings),
    await diskCheck(settings),
    ...(await backlogChecks(port, now, isOnline)),
    ...hub,
  ];
  return { healthy: checks.every(({ state }) => state === "ok"), checks };
}

async function fileCheck(port: FilePort, { path }: EdgeSettings): Promise<DoctorCheck> {
  try {
    await port.check();
    return { name: "file", state: "ok", message: `${path} is sound` };
  } catch (error) {
    if (!(error instanceof EdgeFileError)) throw error;
    return { name: "file", state: "failure", message: error.message };
  }
}

async function diskCheck({ path }: EdgeSettings): Promise<DoctorCheck> {
  const { bavail, bsize } = await statfs(dirname(path));
  const megabytes = Math.floor((bavail * bsize) / 1_048_576);
  const state = bavail * bsize < DISK_BYTES_MIN ? "warning" : "ok";
  return { name: "disk", state, message: `${megabytes} MiB are free` };
}

async function backlogChecks(port: FilePort, now: () => number, isOnline: boolean): Promise<DoctorCheck[]> {
  const { failed, conflicts, pending, oldestPendingMs } = await port.status(now(), dayOf(now()));
  const isStuck = isOnline && (oldestPendingMs ?? 0) > STUCK_MS;
  const waiting = `${pending} changes wait, the oldest for ${Math.round((oldestPendingMs ?? 0) / 1_000)} s; ${failed} failed`;
  return [
    {
      name: "outbox",
      state: failed > 0 || isStuck ? "warning" : "ok",
      message: failed > 0 ? `${waiting}: see mnemosync edge queue --errors` : waiting,
    },
    {
      name: "conflicts",
      state: conflicts > 0 ? "warning" : "ok",
      message:
        conflicts > 0
          ? `${conflicts} ${conflicts === 1 ? "awaits" : "await"} a decision: see mnemosync edge conflicts`
          : "none awaits a decision",
    },
  ];
}

async function hubChecks(
  sync: EdgeSync | null,
  namespaces: readonly string[],
  now: () => number,
): Promise<DoctorCheck[]> {
  if (sync === null) return [{ name: "hub", state: "warning", message: "no hub is set, or enabled is false" }];
  try {
    const startedAt = now();
    const identity = await withDeadline(HUB_MAX_MS, undefined, (signal) => sync.identify(signal));
    const skewMs = Math.round((startedAt + now()) / 2 - identity.now);
    const isSkewed = Math.abs(skewMs) > SKEW_MAX_MS;
    const clock = isSkewed
      ? `this clock is ${Math.abs(skewMs)} ms ${skewMs > 0 ? "ahead of" : "behind"} the hub's. Times of edits are corrected by it; set the clock`
      : `this clock and the hub's differ by ${Math.abs(skewMs)} ms`;
    const rights = identity.canWrite ? "may write" : "may only read";
    const hidden = namespaces.filter((name) => identity.namespaces?.includes(name) === false);
    const unseen = hidden.length === 0 ? "" : `, and is not bound to ${hidden.join(", ")}: nothing of it is synced`;
    const isFit = identity.canWrite && hidden.length === 0;
    return [
      { name: "hub", state: isFit ? "ok" : "warning", message: `it answers, and the key ${rights}${unseen}` },
      { name: "clock", state: isSkewed ? "warning" : "ok", message: clock },
    ];
  } catch (error) {
    const reason = error instanceof HubError ? `${error.code}: ${error.message}` : `no answer within ${HUB_MAX_MS} ms`;
    return [{ name: "hub", state: "failure", message: reason }];
  }
}
