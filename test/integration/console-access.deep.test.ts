import type { Browser } from "playwright-core";
import { afterAll, test as base, beforeAll, expect, vi } from "vitest";
import { openBrowser, reasonToSkip } from "../support/browser.ts";
import { openConsole } from "../support/console.ts";
import { openFullConsole } from "../support/console-world.ts";

vi.setConfig({ testTimeout: 180_000 });

/**
 * Goal: the console can be read and used by everybody: wide and narrow, light and dark. Method: axe on every page, filled, in all
 * four appearances; console.test.ts has one of them each day.
 */

const skipped = reasonToSkip();
// biome-ignore lint/suspicious/noConsole: a test that is skipped says why.
if (skipped !== null) console.warn(`tests of the console are skipped: ${skipped}`);
const test = base.skipIf(skipped !== null);

let browser: Browser;
beforeAll(async () => {
  if (skipped === null) browser = await openBrowser();
});
afterAll(async () => {
  if (skipped === null) await browser.close();
});

test("axe finds nothing on any page, and no page is wider than its window", async (t) => {
  const { service, places } = await openFullConsole(t);
  for (const width of [1280, 390] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      const signIn = await openConsole(t, browser, service, { key: null, width, colorScheme });
      await signIn.page.getByRole("button", { name: "Sign in" }).waitFor();
      expect([width, colorScheme, "sign in", await signIn.accessibilityFlaws()]).toEqual([
        width,
        colorScheme,
        "sign in",
        [],
      ]);
      const console = await openConsole(t, browser, service, { width, colorScheme });
      for (const place of places) {
        await console.go(place);
        await console.settled();
        const found = { flaws: await console.accessibilityFlaws(), overflow: await console.overflow() };
        expect([width, colorScheme, place, found]).toEqual([width, colorScheme, place, { flaws: [], overflow: 0 }]);
      }
      console.expectQuiet();
    }
  }
});

test("a hundred thousand memories take no more of the document than a window of them", async (t) => {
  const { service } = await openFullConsole(t);
  const total = 100_000;
  const pageSize = 5_000;
  const console = await openConsole(t, browser, service, { place: "keys" });
  const { page } = console;
  // Answers of the service's own form, without the minutes that writing as many memories takes.
  const one = (await service.request("GET", "/v1/namespaces/default/memories/m1")).json();
  await page.route(/\/v1\/namespaces\/default\/memories\?/, async (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get("cursor") ?? 0);
    const numbers = Array.from({ length: pageSize }, (_, index) => from + index);
    const memories = numbers.map((number) => ({ ...one, memoryId: `memory-${number}`, content: `number ${number}` }));
    const cursor = from + pageSize < total ? String(from + pageSize) : null;
    await route.fulfill({ json: { memories, cursor } });
  });
  await page.route(/\/v1\/namespaces\/default\/count/, (route) =>
    route.fulfill({ json: { count: total, estimate: false } }),
  );
  await console.go("memories/default");
  const rows = page.getByRole("list", { name: "Memories of default" }).getByRole("listitem");
  await rows.first().getByRole("link").focus();
  const last = page.getByRole("link", { name: /memory-99999/ });
  await expect
    .poll(
      async () => {
        await page.keyboard.press("End");
        return await last.count();
      },
      { timeout: 90_000 },
    )
    .toBe(1);
  expect(await rows.count()).toBeLessThan(60);
  expect(await rows.last().getAttribute("aria-setsize")).toBe(String(total));
  await page.keyboard.press("Home");
  await page.getByRole("link", { name: /memory-0 / }).waitFor();
  expect(await rows.count()).toBeLessThan(60);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "memory-0" }).waitFor();
});
