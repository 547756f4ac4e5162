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
