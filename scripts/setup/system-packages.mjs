import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run, SetupError, say, setupCommand } from "./report.mjs";

const aptMaxMs = 15 * 60_000;
const policyFile = "/usr/sbin/policy-rc.d";
const policy =
  "#!/bin/sh\n# Written by mnemosync's setup for the time of one installation: start no service.\nexit 101\n";

/** Whether a program can be run under this name or path. */
export function isOnPath(/** @type {string} */ program) {
  const candidates = program.includes("/")
    ? [program]
    : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Installs Debian packages when we are root on a Debian or Ubuntu, and otherwise prints the command for a person to run.
 * @param {readonly string[]} packages
 * @param {string} [detail] What showed that they are missing, where that is not plain.
 */
export function installSystemPackages(packages, detail) {
  const apt = existsSync("/etc/debian_version") && isOnPath("apt-get");
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (!apt || process.getuid?.() !== 0) {
    throw new SetupError(
      `these are missing on this machine: ${packages.join(", ")}${detail ? `\n(${detail})` : ""}`,
      nextCommand(apt, command, packages),
    );
  }
  say(`installing with apt-get: ${packages.join(" ")}`);
  withoutStartingServices(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const update = run("apt-get", ["update"], { timeoutMs: aptMaxMs, env });
    const args = ["install", "-y", "--no-install-recommends", ...packages];
    const install = run("apt-get", args, { timeoutMs: aptMaxMs, env });
    if (install.ok) return;
    const output = update.ok ? install.output : `${update.output}\n${install.output}`;
    throw new SetupError(`apt-get could not install ${packages.join(", ")}:\n${output}`, command);
  });
}

function nextCommand(
  /** @type {boolean} */ apt,
  /** @type {string} */ command,
  /** @type {readonly string[]} */ packages,
) {
  if (apt) return `sudo sh -c "${command}" && ${setupCommand}`;
  if (process.platform === "darwin") {
    const formulas = [
      ...(packages.includes("redis-server") ? ["redis"] : []),
      ...(packages.includes("libfaiss-dev") ? ["faiss", "libomp", "openblas"] : []),
    ];
    return `brew install ${formulas.join(" ")} && ${setupCommand}`;
  }
  return `your package manager for ${packages.join(", ")} (these are Debian's names), then: ${setupCommand}`;
}

/** Debian starts redis-server on port 6379 when it is installed. We only need the program, and start our own. */
function withoutStartingServices(/** @type {() => void} */ work) {
  // Containers often have such a policy, which stays. One with our text was left by a set-up that was killed.
  const isOurs = !existsSync(policyFile) || readFileSync(policyFile, "utf8") === policy;
  if (!isOurs) return work();
  // With these listeners, Ctrl-C does not end this process before the policy is removed; apt-get gets the signal itself.
  const ignore = () => {};
  process.on("SIGINT", ignore).on("SIGTERM", ignore);
  try {
    writeFileSync(policyFile, policy, { mode: 0o755 });
    work();
  } finally {
    rmSync(policyFile, { force: true });
    process.off("SIGINT", ignore).off("SIGTERM", ignore);
  }
}
