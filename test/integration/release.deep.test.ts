import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { runOther } from "../support/run-other.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

async function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
  return await runOther(program, args, { cwd, env, timeoutMs: 600_000 });
}

test("a release is installed into a bare prefix, says its commit, works there, and is removed again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-release-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // A clone in which somebody works has changes.
  const release = (output: string) => [join(root, "scripts/release/release.mjs"), "--dirty", "--output", output];
  const released = await run(process.execPath, release(folder), root);
  expect(released).toMatchObject({ status: 0 });
  // The same bytes on this machine, whoever makes it.
  const other = ['umask 077; exec "$@"', "sh", process.execPath, ...release(join(folder, "again"))];
  expect(await run("sh", ["-c", ...other], root)).toMatchObject({ status: 0 });
  expect(readFileSync(join(folder, "again", "SHA256SUMS"), "utf8")).toBe(
    readFileSync(join(folder, "SHA256SUMS"), "utf8"),
  );
  const archive = `mnemosync-${version}-${process.platform}-${process.arch}`;
  expect(await run("sha256sum", ["--check", "SHA256SUMS"], folder)).toMatchObject({ status: 0 });
  expect(await run("tar", ["-xzf", `${archive}.tar.gz`], folder)).toMatchObject({ status: 0 });

  const prefix = join(folder, "prefix");
  // Nothing but Node and the system's own tools; no setting, no home.
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder };
  const installer = join(folder, archive, "install.sh");
  const installed = await run(installer, ["--prefix", prefix], folder, env);
  expect(installed).toMatchObject({ status: 0, stderr: "" });
  // Again, over what is there.
  expect(await run(installer, [`--prefix=${prefix}`], folder, env)).toMatchObject({ status: 0, stderr: "" });
  rmSync(join(folder, archive), { recursive: true });

  const program = join(prefix, "bin", "mnemosync");
  const commit = (await run("git", ["rev-parse", "HEAD"], root)).stdout.trim();
  const tag = (await run("git", ["tag", "--points-at", "HEAD", "--sort=-version:refname"], root)).stdout.split("\n")[0];
  const changed = (await run("git", ["status", "--porcelain"], root)).stdout === "" ? null : "changed";
  const made = [tag, commit.slice(0, 12), changed].filter(Boolean).join(", ");
  expect((await run(program, ["--version"], folder, env)).stdout).toBe(`${version} (${made})\n`);
  const status = await run(program, ["edge", "status", "--json", "--edge-path", join(folder, "edge.db")], folder, env);
  expect(JSON.parse(status.stdout)).toMatchObject({ memories: 0, mode: "disabled" });
  const libsql = { ...env, MNEMOSYNC_EDGE_DRIVER: "libsql" };
  const doctor = await run(
    program,
    ["edge", "doctor", "--json", "--edge-path", join(folder, "other.db")],
    folder,
    libsql,
  );
  expect(JSON.parse(doctor.stdout).checks).toContainEqual(expect.objectContaining({ name: "file", state: "ok" }));
  expect(await run(program, ["help", "serve"], folder, env)).toMatchObject({ status: 0, stderr: "" });

  const removed = await run(join(prefix, "lib/mnemosync/install.sh"), ["--prefix", prefix, "--uninstall"], folder, env);
  expect(removed.status).toBe(0);
  expect([existsSync(program), existsSync(join(prefix, "lib/mnemosync"))]).toEqual([false, false]);
  expect(await run("sh", [join(root, "scripts/release/install.sh"), "--prefx"], folder, env)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("expected --prefix DIR"),
  });
}, 900_000);

test("a tree that is not as its commit has it makes no release, but a trial that says so", async () => {
  const clone = mkdtempSync(join(tmpdir(), "mnemosync-release-tree-"));
  onTestFinished(() => rmSync(clone, { recursive: true, force: true }));
  const git = async (...args: string[]) =>
    expect(await run("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], clone)).toMatchObject({
      status: 0,
    });
  cpSync(join(root, "scripts"), join(clone, "scripts"), { recursive: true });
  cpSync(join(root, "package.json"), join(clone, "package.json"));
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  writeFileSync(join(clone, ".gitignore"), "node_modules\n.mnemosync\n");
  for (const args of [
    ["init", "--quiet"],
    ["add", "."],
    ["commit", "--quiet", "--message", "all"],
    ["tag", "v9"],
  ])
    await git(...args);
  const released = async () => await run(process.execPath, [join(clone, "scripts/release/release.mjs")], clone);
  const told = async () => {
    const script = `
      import("${pathToFileURL(join(clone, "scripts/release/build-file.mjs")).href}").then(({ buildText }) =>
        process.stdout.write(buildText("${clone}")))`;
    return JSON.parse((await run(process.execPath, ["-e", script], clone)).stdout);
  };
  expect(await told()).toEqual({ tag: "v9", commit: expect.any(String) });
  writeFileSync(join(clone, "new.txt"), "one more");
  expect(await released()).toMatchObject({ status: 1, stderr: expect.stringContaining("has them: new.txt") });
  expect(await told()).toEqual({ tag: "v9", commit: expect.any(String), changed: true });
}, 240_000);
