import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import type { TestService } from "./http-service.ts";

/** The console in a browser, as a reader has it. */

/** Pixels. */
const WIDE = 1280;
const NARROW = 390;

type Test = { onTestFinished: (finish: () => Promise<void>) => void };

export interface ConsoleOptions {
  /** @default the admin key; null: nobody signs in */
  readonly key?: string | null;
  /** Behind the `#`. @default the overview */
  readonly place?: string;
  /** Pixels. @default 1280 */
  readonly width?: typeof WIDE | typeof NARROW;
  /** @default "light" */
  readonly colorScheme?: "light" | "dark";
}

/** A page of the console, and what must not happen in it. */
export class ConsolePage {
  readonly page: Page;
  readonly address: string;
  readonly #flaws: string[];

  constructor(page: Page, address: string, flaws: string[]) {
    this.page = page;
    this.address = address;
    this.#flaws = flaws;
  }

  async go(place: string): Promise<void> {
    await this.page.goto(`${this.address}#/${place}`);
  }

  async signIn(key: string): Promise<void> {
    await this.page.getByLabel("Service key").fill(key);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    // A narrow window has it behind a button.
    const isNarrow = this.page.viewportSize()?.width === NARROW;
    const navigation = this.page.getByRole("navigation", { name: "Pages", includeHidden: isNarrow });
    await navigation.waitFor({ state: isNarrow ? "attached" : "visible" });
  }

  /** Waits until the page has read what it shows. */
  async settled(): Promise<void> {
    await this.page.getByRole("heading", { level: 1 }).waitFor();
    await expect.poll(() => this.page.getByText(/^Reading /).count(), { timeout: PATIENCE_MS }).toBe(0);
  }

  /** Pixels by which the page is wider than its window. */
  async overflow(): Promise<number> {
    return await this.page.evaluate(() => {
      const { document } = globalThis as unknown as {
        document: { documentElement: { scrollWidth: number; clientWidth: number } };
      };
      return document.documentElement.scrollWidth - document.documentElement.clientWidth;
    });
  }

  /** Fails where a script threw, the content policy was broken, or another host was asked. */
  expectQuiet(): void {
    expect(this.#flaws).toEqual([]);
  }

  /** What axe finds: rules of WCAG 2.2, A and AA, and its best practices. */
  async accessibilityFlaws(): Promise<string[]> {
    // By the debugger: the content policy lets no script in.
    await this.page.evaluate(AXE);
    return await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResult> } };
      const { violations } = await axe.run();
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message ?? ""}`),
      );
    });
  }
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly any: readonly { readonly message: string }[] }[];
  }[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Milliseconds for what a reader waits for, on a busy machine. */
const PATIENCE_MS = 60_000;

/** Opens the console of a service, which listens from then on, and signs in. */
export async function openConsole(
  t: Test,
  browser: Browser,
  service: Pick<TestService, "app" | "service" | "keys">,
  { key = service.keys.admin, place = "overview", width = WIDE, colorScheme = "light" }: ConsoleOptions = {},
): Promise<ConsolePage> {
  if (!service.app.server.listening) await service.service.listen();
  const { port } = service.app.server.address() as { port: number };
  const settings: BrowserContextOptions = {
    ...{ colorScheme, reducedMotion: "reduce", locale: "en-GB", timezoneId: "Europe/Helsinki" },
    viewport: { width, height: width === WIDE ? 800 : 844 },
    ...(width === NARROW && { hasTouch: true, isMobile: true, deviceScaleFactor: 2 }),
  };
  const context = await browser.newContext(settings);
  t.onTestFinished(async () => await context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const flaws: string[] = [];
  const own = `http://127.0.0.1:${port}/`;
  page.on("pageerror", (error) => flaws.push(`threw: ${error.message}`));
  page.on("console", (message) => {
    // A refused call is an error to the browser, and an answer to the console.
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isAnswer) flaws.push(message.text());
  });
  context.on("request", (request) => {
    if (!request.url().startsWith(own) && !request.url().startsWith("data:")) flaws.push(`asked ${request.url()}`);
  });
  const opened = new ConsolePage(page, `${own}console/`, flaws);
  await opened.go(place);
  if (key !== null) await opened.signIn(key);
  return opened;
}
