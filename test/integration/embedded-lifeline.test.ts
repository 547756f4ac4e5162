import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { childrenOf, isAlive } from "../../src/dev/processes.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { DIST_IS_CURRENT } from "../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "../support/program.ts";

/** Goal: no server and no folder outlives the process that started them. Method: end such a process in every way. */
describe("when the process that started the servers ends", () => {
  // What was built starts in a fraction of the time.
  const isBuilt = process.env[DIST_IS_CURRENT] === "yes";
  const server = (name: string): string =>
    JSON.stringify(pathToFileURL(join(REPOSITORY, isBuilt ? `dist/dev/${name}.js` : `src/dev/${name}.ts`)).href);
  const program = `
    import { startEmbeddedPostgres } from ${server("postgres-server")};
    import { startEmbeddedRedis } from ${server("redis-server")};
    const starts = [startEmbeddedRedis(), startEmbeddedRedis()];
    if (process.argv.includes("with-postgres")) starts.push(startEmbeddedPostgres());
    const servers = await Promise.all(starts);
    await servers[0].freeze();
    console.log(JSON.stringify(servers.map(({ processId, folder }) => ({ processId, folder }))));
    process.stdin.once("data", (how) => {
      if (String(how) === "return") process.stdin.destroy();
      if (String(how) === "exit") process.exit(0);
      if (String(how) === "throw") setImmediate(() => { throw new Error("on purpose"); });
    });`;

  interface Started {
    processId: number;
    folder: string;
  }

  async function startProcess(
    args: string[],
  ): Promise<{ child: ChildProcess; started: Started[]; ended: Promise<unknown[]> }> {
    const child = spawn(
      process.execPath,
      [...(isBuilt ? [] : ["--import", "tsx"]), "--input-type=module", "--eval", program, ...args],
      {
        stdio: ["pipe", "pipe", "ignore"],
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit");
    const [line] = await once(createInterface(child.stdout!), "line");
    return { child, started: JSON.parse(line) as Started[], ended };
  }

  test.each<{ how: string; end: (child: ChildProcess) => void; outcome: unknown[]; args: string[] }>([
    { how: "returns", end: (child) => child.stdin!.write("return"), outcome: [0, null], args: [] },
    { how: "calls process.exit", end: (child) => child.stdin!.write("exit"), outcome: [0, null], args: [] },
    { how: "throws", end: (child) => child.stdin!.write("throw"), outcome: [1, null], args: [] },
    { how: "gets SIGTERM", end: (child) => child.kill("SIGTERM"), outcome: [null, "SIGTERM"], args: [] },
    { how: "gets Ctrl-C", end: (child) => child.kill("SIGINT"), outcome: [null, "SIGINT"], args: ["with-postgres"] },
    { how: "gets kill -9", end: (child) => child.kill("SIGKILL"), outcome: [null, "SIGKILL"], args: ["with-postgres"] },
  ])("no server and no folder is left if it $how", async ({ end, outcome, args }) => {
    const { child, started, ended } = await startProcess(args);
    const processes = started.flatMap(({ processId }) => [processId, ...childrenOf(processId)]);
    expect(processes.every(isAlive)).toBe(true);
    end(child);
    expect(await ended).toEqual(outcome);
    await pollUntil("the end of the servers", 30_000, () => !processes.some(isAlive));
    await pollUntil("the removal of the folders", 30_000, () => !started.some(({ folder }) => existsSync(folder)));
  });
});
