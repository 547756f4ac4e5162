import { expect, test } from "vitest";
import { SharedReading } from "../../src/http/shared-reading.ts";

/** A reading whose ends are given by hand, on a clock that is moved by hand. */
function scripted() {
  const clock = { ms: 0 };
  const waiting: { resolve(value: number): void; reject(error: Error): void }[] = [];
  const reading = new SharedReading(
    () => new Promise<number>((resolve, reject) => waiting.push({ resolve, reject })),
    () => clock.ms,
  );
  return { clock, waiting, reading };
}

test("however many ask at a time, it is read once", async () => {
  const { waiting, reading } = scripted();
  const asked = [reading.get(), reading.get(), reading.get()];
  expect(waiting).toHaveLength(1);
  waiting[0]?.resolve(7);
  expect(await Promise.all(asked)).toEqual(Array(3).fill({ value: 7, ageMs: 0 }));
});

test("a reading is shared while it is new, shown while the next one is made, and waited for when it is too old", async () => {
  const { clock, waiting, reading } = scripted();
  const first = reading.get();
  waiting[0]?.resolve(1);
  await first;
  clock.ms = 999;
  expect(await reading.get()).toEqual({ value: 1, ageMs: 999 });
  expect(waiting).toHaveLength(1);
  clock.ms = 1_500;
  expect(await reading.get()).toEqual({ value: 1, ageMs: 1_500 });
  expect(await reading.get()).toEqual({ value: 1, ageMs: 1_500 });
  expect(waiting).toHaveLength(2);
  waiting[1]?.resolve(2);
  await expect.poll(() => reading.get()).toEqual({ value: 2, ageMs: 0 });
  clock.ms = 9_000;
  const late = reading.get();
  expect(waiting).toHaveLength(3);
  waiting[2]?.resolve(3);
  expect(await late).toEqual({ value: 3, ageMs: 0 });
});

test("what takes long is read less often", async () => {
  const { clock, waiting, reading } = scripted();
  const first = reading.get();
  clock.ms = 200;
  waiting[0]?.resolve(1);
  expect(await first).toEqual({ value: 1, ageMs: 200 });
  clock.ms = 3_999;
  expect(await reading.get()).toEqual({ value: 1, ageMs: 3_999 });
  expect(waiting).toHaveLength(1);
  clock.ms = 4_000;
  await reading.get();
  expect(waiting).toHaveLength(2);
});

test("a failure is told to those who wait, and the next one reads again", async () => {
  const { waiting, reading } = scripted();
  const asked = [reading.get(), reading.get()];
  waiting[0]?.reject(new Error("away"));
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  const again = reading.get();
  waiting[1]?.resolve(4);
  expect((await again).value).toBe(4);
});
