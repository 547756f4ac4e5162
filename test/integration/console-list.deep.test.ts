import { expect } from "vitest";
import { browserTest } from "../support/browser-test.ts";
import { openConsole } from "../support/console.ts";
import { openService } from "../support/http-service.ts";

/**
 * Goal: however many memories a list has, few of them are in the document, and each tells its place. Method: a real browser reads a
 * hundred thousand that stand in for the ledger's, to the last one, and goes back to the first and into it by keyboard.
 */

const { test, browser } = browserTest();

const MEMORIES = 100_000;
/** In the document at a time: what is in sight, some more on both sides, and the one with the focus. */
const ROWS_MAX = 60;
/** Pixels of a row: by the height of the list the test knows how many it has. */
const ROW_HEIGHT = 76;

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

test("a hundred thousand memories are read to the last, and the list stays small", { timeout: 400_000 }, async (t) => {
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

  const focused = (index: number) => list.locator(`a:focus[data-index="${index}"]`);
  const items = list.getByRole("listitem");
  /** A row that tells its place among all, also among those that are not read yet. */
  const placed = (index: number) => list.locator(`[aria-posinset="${index + 1}"][aria-setsize="${MEMORIES}"]`);
  await placed(0).waitFor();
  await tab.keyboard.press("ArrowDown");
  await focused(1).waitFor();
  expect(await items.count()).toBeLessThan(ROWS_MAX);

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
  await focused(MEMORIES - 1).waitFor();
  expect(await items.count()).toBeLessThan(ROWS_MAX);
  await placed(MEMORIES - 1).waitFor();
  await tab.keyboard.press("ArrowUp");
  await focused(MEMORIES - 2).waitFor();
  await tab.getByText("100,000 memories").waitFor();
  await tab.keyboard.press("Home");
  await focused(0).waitFor();
  await placed(0).waitFor();
  await tab.keyboard.press("Enter");
  await tab.getByRole("heading", { level: 1, name: idAt(0) }).waitFor();
  console.expectQuiet();
});
