import { expect } from "vitest";
import { browserTest } from "../support/browser-test.ts";
import { openConsole } from "../support/console.ts";
import { openService } from "../support/http-service.ts";

/**
 * Goal: the list of memories does not slow down with their number. Method: a real browser reads a hundred thousand memories that stand in for
 * the ledger's, to the last one; what is in the document, and how long a step takes, is the same at the end as at the beginning.
 */

const { test, browser } = browserTest();

const MEMORIES = 100_000;
/** In the document at a time: what is in sight, some more on both sides, and the one with the focus. */
const ROWS_MAX = 60;
/** Pixels of a row: by the height of the list the test knows how many it has. */
const ROW_HEIGHT = 76;
/** Steps by the keyboard of which the median is taken. */
const STEPS = 15;

const idAt = (index: number): string => `m${String(index).padStart(6, "0")}`;

function page(from: number, limit: number): object {
  const length = Math.min(limit, MEMORIES - from);
  const memories = Array.from({ length }, (_, at) => ({
    ...{ namespace: "default", memoryId: idAt(from + at), content: `what is remembered as number ${from + at}` },
    ...{ memoryType: "semantic", importance: 0.5, metadata: {}, privacy: "full", version: 1, checksum: "0".repeat(64) },
    ...{ versionVector: {}, createdAt: "2026-05-01T12:00:00.000Z", modifiedAt: "2026-05-01T12:00:00.000Z" },
    ...{ source: "postgres", dimension: null },
  }));
  return { memories, cursor: from + length < MEMORIES ? String(from + length) : null };
}

test("a hundred thousand memories are read to the last, and the list stays quick", { timeout: 240_000 }, async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  const console = await openConsole(t, browser(), service);
  const { page: tab } = console;
  await tab.route("**/v1/namespaces/default/count*", async (route) => {
    await route.fulfill({ json: { count: MEMORIES, estimate: false } });
  });
  await tab.route("**/v1/namespaces/default/memories?*", async (route) => {
    const query = new URL(route.request().url()).searchParams;
    await route.fulfill({ json: page(Number(query.get("cursor") ?? 0), Number(query.get("limit"))) });
  });
  await console.go("memories/default");
  const list = tab.getByRole("list", { name: "Memories of default" });
  const row = (index: number) => list.getByRole("link", { name: new RegExp(`^${idAt(index)}`) });
  await row(0).waitFor();
  await row(0).focus();

  /** Milliseconds until the row after a press of a key has the focus: the median. */
  const step = async (from: number, key: "ArrowDown" | "ArrowUp"): Promise<number> => {
    const times: number[] = [];
    for (let at = 1; at <= STEPS; at++) {
      const startedAt = performance.now();
      await tab.keyboard.press(key);
      await list.locator(`a:focus[data-index="${key === "ArrowDown" ? from + at : from - at}"]`).waitFor();
      times.push(performance.now() - startedAt);
    }
    return times.sort((a, b) => a - b)[Math.floor(STEPS / 2)] ?? Number.NaN;
  };
  const first = await step(0, "ArrowDown");

  const scroll = async (): Promise<number> =>
    await list.evaluate((element) => {
      const { offsetHeight, parentElement } = element as unknown as {
        offsetHeight: number;
        parentElement: { scrollTop: number };
      };
      parentElement.scrollTop = offsetHeight;
      return offsetHeight;
    });
  await expect.poll(scroll, { timeout: 150_000, interval: 20 }).toBe(MEMORIES * ROW_HEIGHT);
  await tab.keyboard.press("End");
  await list.locator(`a:focus[data-index="${MEMORIES - 1}"]`).waitFor();
  expect(await list.getByRole("listitem").count()).toBeLessThan(ROWS_MAX);
  const last = await step(MEMORIES - 1, "ArrowUp");
  expect(last).toBeLessThan(Math.max(3 * first, 100));
  await tab.getByText("100,000 memories").waitFor();
  await tab.keyboard.press("Home");
  await list.locator(`a:focus[data-index="0"]`).waitFor();
  console.expectQuiet();
});
