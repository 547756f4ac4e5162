import { expect, test, vi } from "vitest";
import { openCommandLine } from "../support/command-line.ts";

vi.setConfig({ testTimeout: 300_000 });

function line(index: number, more: object = {}): string {
  return `${JSON.stringify({ memoryId: `m-${index}`, content: `Note ${index * 7919}`, memoryType: "episodic", ...more })}\n`;
}

const lines = Array.from({ length: 20 }, (_, index) => line(index)).join("");

test("an export goes into a pipe and comes back as it was; import tells it from plain lines by itself", async () => {
  const [from, to] = await Promise.all([openCommandLine(), openCommandLine()]);
  await from.run(["import", "-"], lines);
  await from.run(["import", "-"], line(3, { content: "changed" }) + line(4, { privacy: "local_only" }));
  const backup = await from.run(["export", "--history"]);
  expect(backup).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("19 memories and 1 replaced version exported"),
  });
  expect(backup.stderr).toContain("2 versions left out: local_only");
  const records = backup.stdout.split("\n");
  expect(records).toHaveLength(23); // A header, 19 and 1, an end, and what is behind the last line break.
  const resumed = await from.run(["export", "--history", "--after", records[10] as string]);
  expect(resumed.stdout).toBe(records.slice(11).join("\n"));

  const report = { read: 22, synced: 19, degraded: 0, unchanged: 0, skipped: 0, overwritten: 0, deferred: 0 };
  expect(await to.json(["import", "-"], backup.stdout)).toEqual({
    code: 0,
    document: { ...report, historyVersions: 1, rejected: 0, errors: [], complete: true },
  });
  expect((await to.run(["export", "--history"])).stdout).toBe(backup.stdout);
  expect(await to.run(["get", "m-4"])).toMatchObject({ code: 1 });

  const damaged = `${records.slice(0, 4).join("\n")}\n${records[4]?.replace("Note", "Nope")}\n`;
  expect(await to.json(["import", "-"], damaged)).toMatchObject({
    code: 1,
    document: { read: 5, unchanged: 3, rejected: 1, errors: [{ line: 5, code: "VALIDATION" }], complete: false },
  });
  await to.run(["put", "m-5", "--content", "of this side"]);
  const told = await to.run(["import", "-", "--on-conflict", "overwrite"], backup.stdout);
  expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining("1 overwritten") });
  expect(await to.json(["check", "--scope", "deep"])).toMatchObject({ code: 0, document: { clean: true } });
  const newer = await to.run(["import", "-"], '{"mnemosync":3}\n');
  expect(newer).toMatchObject({ code: 2, stderr: expect.stringContaining("this program reads 1 and 2") });
});
