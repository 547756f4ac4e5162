import { expect, onTestFinished, test } from "vitest";
import { SqlFile } from "../../../src/edge/file/sql-file.ts";
import { EdgeStore } from "../../../src/edge/index.ts";
import { loadDriver } from "../../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../../src/edge/sqlite/probe.ts";
import { gatherWrites, isWrite } from "../../../src/edge/worker/gathered-writes.ts";
import type { FileWork, WorkerCall } from "../../../src/edge/worker/messages.ts";
import { note, temporaryFolder } from "../../support/edges.ts";

/** Goal: writes that come together share a commit, and each of them is kept or refused as if it had come alone. */

async function numbersFile(): Promise<{ file: SqlFile; kept: () => number[] }> {
  const file = new SqlFile("numbers", loadDriver(await chooseDriver("auto")).open(`${temporaryFolder()}/n.db`, 1_000));
  onTestFinished(() => file.close());
  file.exec(`create table numbers (n integer primary key);
    create trigger aborts before insert on numbers when new.n = 13 begin select raise(abort, 'thirteen'); end;
    create trigger ends before insert on numbers when new.n = 666 begin select raise(rollback, 'all of it'); end`);
  return { file, kept: () => file.all<{ n: number }>("select n from numbers order by n").map(({ n }) => n) };
}

const insert = (file: SqlFile, ...numbers: number[]) => {
  return () =>
    file.transaction(() => {
      for (const n of numbers) file.run("insert into numbers values (?)", n);
      return numbers.length;
    });
};

test("a work that throws is undone alone, and the others are kept with one commit", async () => {
  const { file, kept } = await numbersFile();
  const before = file.rollbacks;
  const ended = file.together([insert(file, 1), insert(file, 2, 13), insert(file, 3), insert(file, 4, 5)]);
  expect(ended).toEqual([{ result: 1 }, { error: expect.any(Error) }, { result: 1 }, { result: 2 }]);
  expect(kept()).toEqual([1, 3, 4, 5]);
  // What was known of the file in the undone part is not so.
  expect(file.rollbacks).toBeGreaterThan(before);
  expect(insert(file, 6)()).toBe(1);
});

test("where SQLite ends the whole transaction, nothing is kept, and each of the writers is told", async () => {
  const { file, kept } = await numbersFile();
  expect(() => file.together([insert(file, 1), insert(file, 666), insert(file, 3)])).toThrow("all of it");
  expect(kept()).toEqual([]);
  expect(file.together([insert(file, 7), insert(file, 8)])).toEqual([{ result: 1 }, { result: 1 }]);
  expect(kept()).toEqual([7, 8]);
});

test("writes are gathered up to the first other call, which comes behind them, and up to a bound", () => {
  const work = (id: number, name: FileWork["name"]): FileWork => ({ id, name, args: [] });
  const queue: WorkerCall[] = [work(2, "patch"), work(3, "delete"), work(4, "get"), work(5, "put")];
  const gathered = gatherWrites(work(1, "put"), () => queue.shift());
  expect(gathered.writes.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(gathered.behind).toMatchObject({ id: 4 });
  expect(queue).toHaveLength(1);
  const endless = gatherWrites(work(1, "put"), () => work(2, "put"));
  expect(endless.writes).toHaveLength(50);
  expect(endless.behind).toBeUndefined();
  expect([work(1, "put"), work(1, "freezeBatch"), { ended: 1 }].map((call) => isWrite(call))).toEqual([
    true,
    false,
    false,
  ]);
});

test("a caller that does not wait for each of its writes has all of them on disk, in order, and its refused ones refused", async () => {
  const path = `${temporaryFolder()}/edge.db`;
  const edge = await EdgeStore.open({ path });
  const count = 300;
  const writes = Array.from({ length: count }, async (_, at) => {
    if (at % 10 === 7) return await edge.patch(`missing-${at}`, { importance: 1 });
    if (at % 10 === 8) return await edge.put("m0", note(`edit ${at}`));
    return await edge.put(`m${at}`, note(`memory ${at}`));
  });
  const read = edge.get(`m${count - 1}`); // Behind them all.
  const ended = await Promise.allSettled(writes);
  expect(ended.map(({ status }) => status)).toEqual(
    Array.from({ length: count }, (_, at) => (at % 10 === 7 ? "rejected" : "fulfilled")),
  );
  expect(ended[7]).toMatchObject({ reason: { code: "NOT_FOUND" } });
  expect(await read).toMatchObject({ content: `memory ${count - 1}` });
  expect(await edge.get("m0")).toMatchObject({ content: `edit ${count - 2}` });
  const keys = (await edge.queue()).map(({ key }) => key);
  expect(keys).toHaveLength((count / 10) * 8);
  expect(keys.toSorted()).toEqual(keys);
  await edge.abandon(); // As a killed process leaves it.
  const again = await EdgeStore.open({ path });
  expect(await again.status()).toMatchObject({ memories: (count / 10) * 8, pending: (count / 10) * 8 });
  await again.close();
});
