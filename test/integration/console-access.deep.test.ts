import { expect, vi } from "vitest";
import { browserTest } from "../support/browser-test.ts";
import { openConsole } from "../support/console.ts";
import { openFullConsole } from "../support/console-world.ts";

vi.setConfig({ testTimeout: 400_000 });

/**
 * Goal: the console can be read and used by everybody: wide and narrow, light and dark. Method: axe on every page, filled, in all
 * four appearances; console.test.ts has one of them each day.
 */

const { test, browser } = browserTest();

test("axe finds nothing on any page, and no page is wider than its window", async (t) => {
  const { service, places } = await openFullConsole(t);
  for (const width of [1280, 390] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      const signIn = await openConsole(t, browser(), service, { key: null, width, colorScheme });
      await signIn.page.getByRole("button", { name: "Sign in" }).waitFor();
      expect([width, colorScheme, "sign in", await signIn.accessibilityFlaws()]).toEqual([
        width,
        colorScheme,
        "sign in",
        [],
      ]);
      const console = await openConsole(t, browser(), service, { width, colorScheme });
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
