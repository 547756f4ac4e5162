import type { Browser } from "playwright-core";
import { afterAll, test as base, beforeAll } from "vitest";
import { openBrowser, reasonToSkip } from "./browser.ts";

/**
 * For a file of tests in a browser, which is one for all of them. Where this machine has none they are skipped, and say so.
 * @returns `browser` may be called within tests only: it is opened before the first of them, and closed after the last.
 */
export function browserTest() {
  const skipped = reasonToSkip();
  // biome-ignore lint/suspicious/noConsole: a test that is skipped says why.
  if (skipped !== null) console.warn(`tests of the console are skipped: ${skipped}`);
  let opened: Browser | undefined;
  beforeAll(async () => {
    if (skipped === null) opened = await openBrowser();
  });
  afterAll(async () => await opened?.close());
  const browser = (): Browser => {
    if (opened === undefined) throw new Error("the browser is open within tests only");
    return opened;
  };
  return { test: base.skipIf(skipped !== null), browser };
}
