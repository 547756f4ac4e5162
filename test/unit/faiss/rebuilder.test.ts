import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Rebuilder } from "../../../src/stores/faiss/host/rebuilder.ts";

function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "mnemosync-rebuilder-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function rebuilderIn(folder: string): Rebuilder {
  const limits = { mainRowsMin: 20_000, deltaShareMax: 0.25, deadShareMax: 0.25 };
  const configuration = { factory: "Flat", nprobe: 1, efSearch: 1, threads: 1, ...limits, folder };
  const noIndex = (): never => {
    throw new Error("nothing is rebuilt here");
  };
  return new Rebuilder(configuration, noIndex, () => undefined);
}

test("the files of a killed host are removed; other programs' files in the same folder stay", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "rebuild-Xy12ab"));
  writeFileSync(join(folder, "rebuild-Xy12ab", "segment-0"), "half of it");
  mkdirSync(join(folder, "pictures"));
  writeFileSync(join(folder, "notes.txt"), "mine");
  const rebuilder = rebuilderIn(folder);
  expect(readdirSync(folder).toSorted()).toEqual(["notes.txt", "pictures"]);
  rebuilder.close();
  expect(readdirSync(folder).toSorted()).toEqual(["notes.txt", "pictures"]);
});

test("an empty folder is removed, and a missing folder is no error", () => {
  const folder = join(temporaryFolder(), "building");
  mkdirSync(join(folder, "rebuild-Xy12ab"), { recursive: true });
  const rebuilder = rebuilderIn(folder);
  expect(existsSync(folder)).toBe(false);
  rebuilder.close();
});
