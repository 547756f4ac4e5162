import { createHash } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, SetupError, say, setupCommand } from "./report.mjs";

const user = process.getuid?.() ?? "user";
const key = createHash("sha256").update(root).digest("hex").slice(0, 16);
const lockFile = join(tmpdir(), `mnemosync-setup-${user}-${key}.lock`);
const waitMaxMs = 15 * 60_000;

/**
 * Lets one setup at a time work in this folder; a second one waits, and then finds everything done.
 * The lock of a setup that was killed is taken over.
 * @param {() => void} work
 */
export function withLock(work) {
  acquire();
  try {
    work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function acquire() {
  const deadline = Date.now() + waitMaxMs;
  let waiting = false;
  while (!tryAcquire()) {
    const holder = readHolder(lockFile);
    if (holder === undefined) continue; // Released just now.
    if (!isRunning(holder)) {
      takeAway(holder);
      continue;
    }
    if (Date.now() > deadline) {
      const minutes = waitMaxMs / 60_000;
      throw new SetupError(
        `another setup (process ${holder.split(" ")[0]}) has been at work here for ${minutes} minutes`,
        `rm ${lockFile} && ${setupCommand}`,
      );
    }
    if (!waiting) say(`another setup is at work here (process ${holder.split(" ")[0]}): waiting for it`);
    waiting = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
}

/** By way of a link, as a file that is created and then written could be read while it is empty. */
function tryAcquire() {
  const draft = `${lockFile}.${process.pid}`;
  writeFileSync(draft, `${process.pid} ${startTimeOf(process.pid)}`);
  try {
    linkSync(draft, lockFile);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Of two setups that find the same stale lock, only one may continue: only one rename succeeds. */
function takeAway(/** @type {string} */ staleHolder) {
  const away = `${lockFile}.${process.pid}.stale`;
  try {
    renameSync(lockFile, away);
  } catch {
    return; // The other one was first.
  }
  try {
    // The other set-up was faster, and this is its new lock: put it back.
    if (readHolder(away) !== staleHolder) linkSync(away, lockFile);
  } finally {
    rmSync(away, { force: true });
  }
}

/** @returns {string | undefined} Process id and start time. */
function readHolder(/** @type {string} */ file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** A process with the same id but another start time is a stranger: ids are given out again. */
function isRunning(/** @type {string} */ holder) {
  const [processId, startTime] = holder.split(" ");
  try {
    process.kill(Number(processId), 0);
  } catch (error) {
    return error.code === "EPERM";
  }
  return startTimeOf(Number(processId)) === startTime;
}

/** Clock ticks from the boot to the start of a process; "unknown" where there is no /proc. */
function startTimeOf(/** @type {number} */ processId) {
  try {
    const line = readFileSync(`/proc/${processId}/stat`, "latin1");
    return line.slice(line.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return "unknown";
  }
}
