import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Where Debian puts it. */
const DEBIAN = "/usr/bin/chromium";
/** Milliseconds within which a browser starts on a busy machine. */
const START_MAX_MS = 180_000;

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-default-apps",
  "--disable-dev-shm-usage",
];

/** The browser of this machine; null: it has none. */
export function findBrowser(environment: NodeJS.ProcessEnv = process.env): string | null {
  const path = environment.MNEMOSYNC_TEST_CHROMIUM || DEBIAN;
  return existsSync(path) ? path : null;
}

/**
 * Why tests of pages cannot run here; null: they can.
 * @throws They may not be skipped, as `MNEMOSYNC_TEST_BROWSER_REQUIRED` says.
 */
export function reasonToSkip(environment: NodeJS.ProcessEnv = process.env): string | null {
  if (findBrowser(environment) !== null) return null;
  const reason =
    `there is no browser at ${environment.MNEMOSYNC_TEST_CHROMIUM || DEBIAN}: install Debian's package chromium, or name one ` +
    "with MNEMOSYNC_TEST_CHROMIUM";
  if (environment.MNEMOSYNC_TEST_BROWSER_REQUIRED) throw new Error(reason);
  return reason;
}

/** Starts a browser without a screen, with a profile that is new and removed at its end. Its caller closes it. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === null) throw new Error("there is no browser: ask reasonToSkip first");
  return await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false, timeout: START_MAX_MS });
}
