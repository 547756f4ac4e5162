import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { environmentOf, startProgram } from "../support/command-line.ts";
import { idsFound, MEMORIES, models, openEndpoint, openPair } from "../support/reembedding.ts";

vi.setConfig({ testTimeout: 300_000 });

test("a command that is killed in the middle is resumed by the next one, and no text is embedded twice", async (t) => {
  const { world, former, next } = await openPair(t);
  await next.close();
  const endpoint = await openEndpoint(t, 16);
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-reembed-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const environment = {
    ...environmentOf(world),
    MNEMOSYNC_NODE_ID: "command",
    MNEMOSYNC_FAISS_DIRECTORY: folder,
    MNEMOSYNC_FAISS_DIMENSION: "16",
    MNEMOSYNC_EMBEDDING_PROVIDER: "http",
    MNEMOSYNC_EMBEDDING_URL: endpoint.url,
    MNEMOSYNC_EMBEDDING_MODEL: "next",
  };
  endpoint.answersMax = 500; // The third page hangs.
  const killed = startProgram(["reembed"], environment);
  await pollUntil("two pages", 50_000, async () => (await models(world)).next === 500);
  killed.child.kill("SIGKILL");
  await killed.ended;
  endpoint.answersMax = Number.POSITIVE_INFINITY;
  await world.sql`update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 minute'
    where ended_at is null`; // As after 30 seconds.

  const { ended } = startProgram(["reembed", "--json"], environment);
  const { code, stdout } = await ended;
  expect({ code, document: JSON.parse(stdout) }).toMatchObject({
    code: 0,
    document: { model: "next", failed: 0, complete: true },
  });
  // The page that was written and not kept in a checkpoint yet is not embedded again, and not counted.
  expect([MEMORIES, MEMORIES - 250]).toContain((JSON.parse(stdout) as { embedded: number }).embedded);
  expect(await models(world)).toEqual({ next: MEMORIES });
  expect(endpoint.answered).toHaveLength(MEMORIES);
  expect(new Set(endpoint.answered).size).toBe(MEMORIES);
  const jobs = await world.sql`select state, attempts from mnemosync.jobs where kind = 'reembed'`;
  expect([...jobs]).toEqual([{ state: "done", attempts: 2 }]);
  expect(await idsFound(former)).toHaveLength(MEMORIES);

  const shown = await startProgram(["search", "memory number 7 about trains", "--k", "1"], environment).ended;
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining("m7") });
});
