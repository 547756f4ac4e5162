import type { ConsistencyReport, MemoryInput, RepairReport, Status } from "../../index.ts";
import { columns } from "../columns.ts";
import type { Invocation } from "../command.ts";
import { resultsText } from "../commands/search.ts";
import { storesText } from "../commands/status.ts";
import { countFindings, type FindingCount, findingsText } from "../findings.ts";
import { count, counted, duration, indented } from "../output.ts";
import { startProgress } from "../progress.ts";
import { repairCounts } from "../repairs.ts";
import { leaveWork, serveConsole } from "./console.ts";
import { compareWithInjected, injectDrift } from "./drift.ts";
import type { Injection, Take } from "./injection.ts";
import { keyOf, makePast, type Past } from "./past.ts";
import { readSamples, SAMPLE_NAME } from "./samples.ts";
import { type DemoWorld, openDemoWorld } from "./world.ts";

/** What `demo --json` prints. */
export interface DemoReport {
  /** Whether the first check found exactly what was injected, and the last one nothing. */
  readonly ok: boolean;
  /** Differences between the first check and the injected drift, and the findings of the last check. */
  readonly differences: readonly string[];
  readonly injected: readonly FindingCount[];
  readonly found: readonly FindingCount[];
  readonly repair: Pick<RepairReport, "repaired" | "failed" | "deferred">;
  readonly stores: Status["stores"];
  /** Milliseconds per part. */
  readonly timings: Readonly<Record<string, number>>;
}

/** Characters in front of each line of a section. */
const INDENT = 3;
const GONE = "servers, database, keys and folders are gone";
/** Findings that are listed one by one. */
const ROWS_MAX = 20;
/** Two questions. The offline embedder compares wording, so they share words with the memories. */
const QUERIES = ["is Amara allergic to peanuts or pistachios?", "when is the race in Kalmar that Jonas runs?"];

/**
 * Shows what mnemosync does, from nothing: write, search, drift, check, repair. Leaves nothing behind.
 * @param withConsole then serves the console on these data until the invocation is interrupted.
 */
export async function runDemo(
  invocation: Invocation,
  environment: NodeJS.ProcessEnv,
  withConsole = false,
): Promise<DemoReport> {
  const demo = new Demo(invocation, environment, withConsole);
  try {
    return await demo.run();
  } finally {
    await demo.close();
  }
}

class Demo {
  readonly #invocation: Invocation;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #withConsole: boolean;
  readonly #timings: Record<string, number> = {};
  #world: DemoWorld | null = null;
  #sections = 0;

  constructor(invocation: Invocation, environment: NodeJS.ProcessEnv, withConsole: boolean) {
    this.#invocation = invocation;
    this.#environment = environment;
    this.#withConsole = withConsole;
  }

  async run(): Promise<DemoReport> {
    const { signal } = this.#invocation;
    const world = await this.#section("services", "Start the stores", () => this.#open());
    const samples = await readSamples();
    const past = await this.#section("import", `Import ${SAMPLE_NAME}`, () => this.#import(world, samples));
    await this.#section("search", "Search", () => this.#search(world));
    // Those that were changed or deleted already are left alone.
    const untouched = samples.map(keyOf).slice(past.changed.length + past.deleted.length);
    const take: Take = (howMany) => untouched.splice(0, howMany);
    const injections = await this.#section("drift", "Damage the stores behind the synchronizer's back", async () => {
      const injected = await injectDrift(world, past, take, signal);
      this.#show(injectionsText(injected));
      return injected;
    });
    const first = await this.#section("check", "Check (deep)", () => this.#check(world));
    const repair = await this.#section("repair", "Repair", async () => {
      const done = await world.sync.repairInconsistencies(first, { signal });
      this.#show(repairCounts(done.details, INDENT));
      return done;
    });
    const last = await this.#section("check again", "Check again (deep)", () => this.#check(world));
    const stores = (await world.sync.status({ signal })).stores;
    if (!this.#withConsole) {
      await this.#section("stop", "Stop and remove everything", async () => {
        await world.close();
        this.#show(GONE);
      });
    }
    const differences = [
      ...compareWithInjected(injections, first.findings),
      ...last.findings.map(({ store, kind, memoryId }) => `still there after the repair: ${store} ${kind} ${memoryId}`),
    ];
    const { repaired, failed, deferred } = repair;
    const report: DemoReport = {
      ok: differences.length === 0,
      differences,
      injected: countFindings(
        injections.flatMap(({ store, kind, memoryIds }) => memoryIds.map(() => ({ store, kind }))),
      ),
      found: countFindings(first.findings),
      repair: { repaired, failed, deferred },
      stores,
      timings: this.#timings,
    };
    this.#summarize(report);
    if (this.#withConsole) await this.#console(world, samples.slice(past.changed.length + past.deleted.length));
    return report;
  }

  async #console(world: DemoWorld, samples: readonly MemoryInput[]): Promise<void> {
    const { signal, say } = this.#invocation;
    say("\nConsole\n");
    await leaveWork(world, samples.map(keyOf), signal);
    await serveConsole(this.#invocation, world);
    await world.close();
    this.#show(GONE);
  }

  async close(): Promise<void> {
    await this.#world?.close();
  }

  async #open(): Promise<DemoWorld> {
    const { log, signal, say } = this.#invocation;
    const world = await openDemoWorld({
      ...{ environment: this.#environment, log, signal, say },
      // Its reader finds and repairs the drift.
      repairsByItself: !this.#withConsole,
    });
    this.#world = world;
    const where = {
      embedded: "embedded servers in temporary folders",
      containers: "containers",
      environment:
        "the servers of MNEMOSYNC_POSTGRES_URL and MNEMOSYNC_REDIS_URL, in a database and under keys of its own",
    };
    this.#show(`PostgreSQL and Redis: ${where[world.source]}. FAISS: a process of its own, in a temporary folder.`);
    return world;
  }

  async #import(world: DemoWorld, samples: readonly MemoryInput[]): Promise<Past> {
    const { signal } = this.#invocation;
    const progress = await startProgress("importing", samples.length, "{value} of {total}");
    const outcomes = await world.sync
      .syncBatch(samples, { signal, onProgress: ({ done }) => progress.update(done) })
      .finally(() => progress.stop());
    signal.throwIfAborted();
    const failed = outcomes.find(({ status }) => status !== "synced");
    if (failed !== undefined) throw failed.error ?? new Error(`${failed.memoryId} is ${failed.status}, not synced`);
    const past = await makePast(world, samples.slice(0, 8), samples.slice(8, 12), signal);
    this.#show(
      `${counted(outcomes.length, "memory", "memories")} written, of which ${past.changed.length} were then changed ` +
        `and ${past.deleted.length} deleted.\n\n${storesText((await world.sync.status({ signal })).stores, INDENT)}`,
    );
    return past;
  }

  async #search(world: DemoWorld): Promise<void> {
    for (const [index, query] of QUERIES.entries()) {
      const results = await world.sync.search(query, { k: 3, signal: this.#invocation.signal });
      this.#show(`${index > 0 ? "\n" : ""}"${query}"\n${resultsText(results, INDENT)}`);
    }
  }

  async #check(world: DemoWorld): Promise<ConsistencyReport> {
    const report = await world.sync.checkConsistency({ scope: "deep", signal: this.#invocation.signal });
    const checked = counted(report.checked, "memory", "memories");
    this.#show(
      report.clean
        ? `${checked} compared in all three stores: clean`
        : `${checked} compared: ${counted(report.findings.length, "finding")}\n\n` +
            findingsText(report.findings, ROWS_MAX, "", report.stores, INDENT),
    );
    return report;
  }

  #summarize({ ok, differences, stores, repair }: DemoReport): void {
    const { say } = this.#invocation;
    const total = Object.values(this.#timings).reduce((sum, time) => sum + time, 0);
    const timings = Object.entries({ ...this.#timings, total }).map(([part, time]) => [part, duration(time)]);
    say(`\nSummary\n`);
    say(indented(columns([{ head: "part" }, { head: "took", align: "right" }], timings)));
    say(`\n${indented(storesText(stores, 2))}\n`);
    say(
      ok
        ? indented(
            `The check found exactly what was injected; ${count(repair.repaired)} repaired; the last check is clean.`,
          )
        : indented(`Not as it should be:\n${differences.slice(0, ROWS_MAX).join("\n")}`),
    );
  }

  /** Runs one part under a heading, and takes its time. */
  async #section<T>(name: string, heading: string, work: () => Promise<T>): Promise<T> {
    this.#invocation.signal.throwIfAborted();
    const blank = this.#sections++ === 0 ? "" : "\n";
    this.#invocation.say(`${blank}${this.#sections}. ${heading}\n`);
    const startedAt = performance.now();
    const result = await work();
    this.#timings[name] = Math.round(performance.now() - startedAt);
    return result;
  }

  #show(text: string): void {
    this.#invocation.say(indented(text, INDENT));
  }
}

function injectionsText(injections: readonly Injection[]): string {
  return columns(
    [{ head: "store" }, { head: "kind" }, { head: "memories", align: "right" }, { head: "damage" }],
    injections.map(({ store, kind, memoryIds, what }) => [store, kind, count(memoryIds.length), what]),
    { indent: INDENT },
  );
}
