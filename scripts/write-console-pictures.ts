/**
 * `npm run console:pictures`: takes the pictures of docs/console.md anew, of the console on the demonstration's data. Needs Chromium:
 * Debian's, or the one that `MNEMOSYNC_TEST_CHROMIUM` names. Look at them before you commit them.
 */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "../test/support/browser.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = fileURLToPath(new URL("../docs/console/", import.meta.url));
/** Bytes of a picture at most: the repository keeps each of them for good. */
const BYTES_MAX = 120_000;
/** Milliseconds for the demonstration, with servers of its own. */
const DEMO_MAX_MS = 180_000;
/** Milliseconds for a page to show what is to be taken. */
const PATIENCE_MS = 60_000;
const QUALITY = 80;

interface Picture {
  readonly name: string;
  readonly place: string;
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
  /** Brings the page to what is to be shown. */
  readonly prepare: (page: Page) => Promise<void>;
}

const PICTURES: readonly Picture[] = [
  {
    ...{ name: "overview", place: "overview", width: 1280, height: 860, colorScheme: "light" },
    // The lines need some samples, one each ten seconds.
    prepare: async (page) => {
      await page.getByRole("heading", { name: "Stores" }).waitFor();
      await page.getByText("Not enough readings yet").first().waitFor({ state: "hidden" });
    },
  },
  {
    ...{ name: "drift", place: "drift", width: 1280, height: 860, colorScheme: "dark" },
    prepare: async (page) => {
      await page.getByRole("button", { name: "Run the check" }).click();
      await page.getByRole("group", { name: "Findings by kind and store" }).waitFor();
      await page.getByRole("group", { name: "Findings by kind and store" }).scrollIntoViewIfNeeded();
    },
  },
  {
    ...{ name: "conflict", place: "conflicts", width: 1280, height: 860, colorScheme: "light" },
    prepare: async (page) => {
      await page.getByRole("group", { name: "Conflicts" }).getByRole("link").first().click();
      await page.getByRole("heading", { name: "How they differ" }).waitFor();
    },
  },
  {
    ...{ name: "memories-narrow", place: "memories/default", width: 390, height: 844, colorScheme: "light" },
    prepare: async (page) => await page.getByRole("listitem").first().waitFor(),
  },
];

const demo = await startDemo();
const browser = await openBrowser();
try {
  await mkdir(FOLDER, { recursive: true });
  for (const picture of PICTURES) await take(browser, picture);
} finally {
  await browser.close();
  demo.child.kill("SIGINT");
  await demo.ended;
}

async function take(browser: Browser, { name, place, width, height, colorScheme, prepare }: Picture): Promise<void> {
  const context = await browser.newContext({
    ...{ colorScheme, reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC" },
    viewport: { width, height },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${demo.address}#/${place}`);
  await page.getByLabel("Service key").fill(demo.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await prepare(page);
  const client = await context.newCDPSession(page);
  const { data } = await client.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  const bytes = Buffer.from(data, "base64");
  if (bytes.length > BYTES_MAX)
    throw new Error(`${name} has ${bytes.length} bytes: at most ${BYTES_MAX} go into docs/`);
  await writeFile(`${FOLDER}${name}.webp`, bytes);
  console.log(`docs/console/${name}.webp: ${bytes.length} bytes`);
  await context.close();
}

/** The demonstration, once its console can be opened. */
async function startDemo() {
  const args = ["dist/program/main.js", "demo", "--console", "--http-port", "0"];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const limit = setTimeout(() => child.kill("SIGKILL"), DEMO_MAX_MS);
  let address = "";
  let key = "";
  for await (const line of createInterface({ input: child.stdout })) {
    address = /open +(http:\S+)/.exec(line)?.[1] ?? address;
    key = /key +(mns_\S+)/.exec(line)?.[1] ?? key;
    if (address !== "" && key !== "") break;
  }
  clearTimeout(limit);
  if (key === "") throw new Error("the demonstration ended before its console could be opened");
  child.stdout.resume();
  return { child, ended, address, key };
}
