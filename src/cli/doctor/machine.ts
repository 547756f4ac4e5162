import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inspectDirectory } from "../../stores/faiss/snapshots/inspect-directory.ts";
import { exposedPaths } from "../../stores/faiss/snapshots/private-files.ts";
import { type Diagnosis, failure, note, ok, warning } from "./diagnosis.ts";

const NODE_MIN = [20, 19] as const;

export function diagnoseNode(version: string): Diagnosis {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return ok("node.version", version);
  return failure("node.version", version, `Node ${NODE_MIN.join(".")} or newer is needed`);
}

/** Whether the folder of the FAISS index is usable. Does not open the index. */
export async function diagnoseIndexFolder(directory: string): Promise<Diagnosis> {
  const check = "faiss.directory";
  const folder = resolve(directory);
  try {
    if (!(await stat(folder)).isDirectory())
      return failure(check, `${folder} is not a folder`, "give another faiss.directory");
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(check, `${folder} can be written`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      return failure(check, `${folder}: ${(error as Error).message}`, "let this user read and write the folder");
    }
  }
  const parent = await nearestFolder(folder);
  try {
    await access(parent, constants.W_OK | constants.X_OK);
    return note(check, `${folder} does not exist`, "the first start creates it and fills the index from the ledger");
  } catch {
    return failure(
      check,
      `${folder} does not exist, and ${parent} cannot be written`,
      "create it, or give another faiss.directory",
    );
  }
}

/** The content of the folder: its owner, and whether the next start finds a sound snapshot. Reads every file. */
export async function diagnoseSnapshots(directory: string): Promise<Diagnosis> {
  const check = "faiss.snapshots";
  try {
    const { exists, snapshots, explanation } = await inspectDirectory(resolve(directory));
    const found = explanation.join("; ");
    if (!exists || snapshots.every(({ state }) => state === "sound")) return ok(check, found);
    if (snapshots.some(({ state }) => state === "sound")) {
      return note(check, found, "nothing to do: the next start loads the sound snapshot and sets damaged ones aside");
    }
    return warning(
      check,
      found,
      "nothing is lost, but the next start fills the index from the ledger, which takes longer",
    );
  } catch (error) {
    return failure(check, (error as Error).message, "let this user read the folder of the index");
  }
}

/** Whether other users of the machine can read the index. The next start corrects what belongs to its own user. */
export async function diagnoseIndexPrivacy(directory: string): Promise<Diagnosis> {
  const check = "faiss.permissions";
  const exposed = await exposedPaths(resolve(directory));
  const [first] = exposed;
  if (first === undefined) return ok(check, "no other user can read the index");
  const others = exposed.length === 1 ? "" : ` and ${exposed.length - 1} more`;
  return warning(
    check,
    `other users can reach ${first.path} (mode ${first.mode.toString(8).padStart(4, "0")})${others}`,
    `the next start corrects what belongs to its user; for the rest: chmod -R go= ${resolve(directory)}`,
  );
}

/** Whether the native part of FAISS loads. It is installed separately from the package. @param load returns its file. */
export async function diagnoseBinding(load: () => Promise<string>): Promise<Diagnosis> {
  try {
    return ok("faiss.binding", `loads from ${await load()}`);
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    const advice = "npx mnemosync setup downloads or compiles it; --faiss-directory none leaves FAISS out";
    return failure("faiss.binding", reason, advice);
  }
}

async function nearestFolder(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return parent;
  try {
    await stat(parent);
    return parent;
  } catch {
    return await nearestFolder(parent);
  }
}
