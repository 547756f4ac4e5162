import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test, vi } from "vitest";
import { isAlive } from "../../src/dev/processes.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { environmentOf } from "../support/command-line.ts";
import { feedShown } from "../support/feed-shown.ts";
import { programArguments, REPOSITORY, TYPESCRIPT_LOADER } from "../support/program.ts";
import { openWorld } from "../support/world.ts";

/** Goal: a client that is killed in the midst of a call leaves no process and no half of a memory. */

vi.setConfig({ testTimeout: 240_000 });

test("a stdio client killed in mid-call leaves nothing behind", async (t) => {
  const world = await openWorld(t, { settings: { embedding: { provider: "hashing" } } });
  await world.disconnect(); // The server is to have the index's folder.
  const program = join(REPOSITORY, "test", "support", "mcp-client-process.ts");
  const child = spawn(process.execPath, ["--import", TYPESCRIPT_LOADER, program, ...programArguments(), "mcp"], {
    cwd: REPOSITORY,
    env: { ...process.env, ...environmentOf(world), MNEMOSYNC_EMBEDDING_PROVIDER: "hashing" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.onTestFinished(async () => void child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => void lines.push(line));
  await pollUntil(
    "a call to be under way",
    60_000,
    () => lines.filter((line) => line.startsWith("progress")).length >= 3,
  );
  const server = Number(/^server (\d+)$/.exec(lines[0] ?? "")?.[1]);
  expect(isAlive(server)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  await pollUntil("the server to end", 60_000, () => !isAlive(server));

  await feedShown(world);
  const sync = await world.connect(); // Its lock on the folder is gone with it.
  sync.start();
  const report = await sync.checkConsistency({ scope: "deep" });
  expect(report).toMatchObject({ clean: true, findings: [] });
  // What is open between two statements of this node's background work ends by itself.
  await pollUntil("no transaction being left open", 30_000, async () => {
    const open = await world.sql`
      select 1 from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
    return open.length === 0;
  });
  expect((await sync.count()).count).toBeGreaterThanOrEqual(200);
});
