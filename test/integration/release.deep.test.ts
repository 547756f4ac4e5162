import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8", timeout: 300_000 });
  return { status, stdout, stderr };
}

test("a release is installed into a bare prefix, says its commit, works there, and is removed again", () => {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-release-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const released = run(process.execPath, [join(root, "scripts/release/release.mjs"), "--output", folder], root);
  expect(released).toMatchObject({ status: 0 });
  const archive = `mnemosync-${version}-${process.platform}-${process.arch}`;
  expect(run("sha256sum", ["--check", "SHA256SUMS"], folder)).toMatchObject({ status: 0 });
  expect(run("tar", ["-xzf", `${archive}.tar.gz`], folder)).toMatchObject({ status: 0 });

  const prefix = join(folder, "prefix");
  // Nothing but Node and the system's own tools; no setting, no home.
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder };
  const installer = join(folder, archive, "install.sh");
  const installed = run(installer, ["--prefix", prefix], folder, env);
  expect(installed).toMatchObject({ status: 0, stderr: "" });
  // Again, over what is there.
  expect(run(installer, [`--prefix=${prefix}`], folder, env)).toMatchObject({ status: 0, stderr: "" });
  rmSync(join(folder, archive), { recursive: true });

  const program = join(prefix, "bin", "mnemosync");
  const commit = run("git", ["rev-parse", "HEAD"], root).stdout.trim();
  const tag = run("git", ["tag", "--points-at", "HEAD", "--sort=-version:refname"], root).stdout.split("\n")[0];
  const made = tag ? `${tag}, ${commit.slice(0, 12)}` : commit.slice(0, 12);
  expect(run(program, ["--version"], folder, env).stdout).toBe(`${version} (${made})\n`);
  const status = run(program, ["edge", "status", "--json", "--edge-path", join(folder, "edge.db")], folder, env);
  expect(JSON.parse(status.stdout)).toMatchObject({ memories: 0, mode: "disabled" });
  const libsql = { ...env, MNEMOSYNC_EDGE_DRIVER: "libsql" };
  const doctor = run(program, ["edge", "doctor", "--json", "--edge-path", join(folder, "other.db")], folder, libsql);
  expect(JSON.parse(doctor.stdout).checks).toContainEqual(expect.objectContaining({ name: "file", state: "ok" }));
  expect(run(program, ["help", "serve"], folder, env)).toMatchObject({ status: 0, stderr: "" });

  expect(run(join(prefix, "lib/mnemosync/install.sh"), ["--prefix", prefix, "--uninstall"], folder, env).status).toBe(
    0,
  );
  expect([existsSync(program), existsSync(join(prefix, "lib/mnemosync"))]).toEqual([false, false]);
  expect(run("sh", [join(root, "scripts/release/install.sh"), "--prefx"], folder, env)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("expected --prefix DIR"),
  });
}, 360_000);
