import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { diagnoseIndexPrivacy } from "../../../src/cli/doctor/machine.ts";
import { DirectoryLock } from "../../../src/stores/faiss/snapshots/directory-lock.ts";
import { closeToOthers, exposedPaths } from "../../../src/stores/faiss/snapshots/private-files.ts";
import { SnapshotFolder } from "../../../src/stores/faiss/snapshots/snapshot-folder.ts";

/** Goal: no other user of the machine can read an index. Method: real files, under a umask that hides nothing. */

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "mnemosync-private-"));
  const before = process.umask(0);
  onTestFinished(async () => {
    process.umask(before);
    await rm(path, { recursive: true, force: true });
  });
  return path;
}

test("the lock, the folders and the files of a snapshot are made private", async () => {
  const directory = join(await folder(), "deep", "index");
  const lock = await DirectoryLock.acquire(directory);
  onTestFinished(() => lock.release());
  const snapshots = new SnapshotFolder(directory);
  const sequence = await snapshots.create(async (writer) => {
    await writer.write("vectors", [Buffer.from("x")]);
    return "{}";
  });
  const path = snapshots.pathOf(sequence);
  const modes = [directory, join(directory, "lock"), join(directory, "snapshots"), path, join(path, "vectors")].map(
    modeOf,
  );
  expect(await Promise.all(modes)).toEqual(["700", "600", "700", "700", "600"]);
  expect(await exposedPaths(directory)).toEqual([]);
});

/** As a version before left it: everything as the umask says. */
async function exposedIndex(directory: string): Promise<string> {
  const path = join(directory, "snapshots", "00000001");
  await mkdir(path, { recursive: true });
  for (const name of ["manifest.json", "vectors"]) await writeFile(join(path, name), "x");
  await writeFile(join(directory, "lock"), "x");
  return path;
}

test("the doctor reports an index that other users can read, and opening it makes it private", async () => {
  const directory = join(await folder(), "index");
  const path = await exposedIndex(directory);
  expect((await exposedPaths(directory)).map((found) => found.path).toSorted()).toEqual(
    [
      directory,
      join(directory, "lock"),
      join(directory, "snapshots"),
      path,
      join(path, "manifest.json"),
      join(path, "vectors"),
    ].toSorted(),
  );
  expect(await diagnoseIndexPrivacy(directory)).toMatchObject({
    check: "faiss.permissions",
    state: "warning",
    found: expect.stringMatching(/other users can reach .*index \(mode 0777\) and 5 more/),
  });
  const { corrected, left } = await closeToOthers(directory);
  expect([corrected.length, left]).toEqual([6, []]);
  expect(await Promise.all([modeOf(directory), modeOf(path), modeOf(join(path, "vectors"))])).toEqual([
    "700",
    "700",
    "600",
  ]);
  expect(await diagnoseIndexPrivacy(directory)).toMatchObject({ state: "ok" });
});

test("a shared folder keeps its mode, and files outside of the index stay unchanged", async () => {
  const directory = await folder();
  await chmod(directory, 0o755);
  await exposedIndex(directory);
  const notes = join(directory, "notes.txt");
  await writeFile(notes, "another program's");
  await symlink(notes, join(directory, "snapshots", "link"));
  await closeToOthers(directory);
  expect(await Promise.all([modeOf(directory), modeOf(notes)])).toEqual(["755", "666"]);
  expect(await modeOf(join(directory, "snapshots"))).toBe("700");
  expect(await exposedPaths(join(directory, "nowhere"))).toEqual([]);
});
