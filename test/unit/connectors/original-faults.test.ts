import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectorDefinition } from "../../../src/connectors/definition.ts";
import { rhythmOf } from "../../../src/connectors/hosted/schedule-rhythm.ts";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../../src/connectors/memory-space/source.ts";
import { runSource, type SourceRunOptions } from "../../../src/connectors/run/source-run.ts";
import { ServiceError } from "../../../src/connectors/service/service-error.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import { type ConnectorState, NO_COUNTS } from "../../../src/connectors/state/state.ts";
import { keptRhythm, nextDue, type Rhythm } from "../../../src/jobs/rhythm.ts";
import { MemorySpaceServer } from "../../support/connectors/memory-space-server.ts";
import { MemoryTarget } from "../../support/connectors/memory-target.ts";
import { useSinkWorlds } from "../../support/connectors/sink-world.ts";

/**
 * What the connectors that came before these got wrong, one test each. Others look closer:
 *
 * | they                                              | closer                                                     |
 * |---------------------------------------------------|------------------------------------------------------------|
 * | never sent edited items again                     | source-run, sink-run                                       |
 * | knew no deletions                                 | source-run, sink-run, connector-targets                    |
 * | lost items beyond `limit`                         | listing, memory-space-client                               |
 * | kept state at the end only, and ignored errors    | source-run (a death at each step), json-state              |
 * | did not try 429 and 408 again, nor wait as asked  | memory-space-client                                        |
 * | slept where nobody could wake them                | here                                                       |
 * | wrote parts of the key into the log               | memory-space-client                                        |
 * | had dead letters without a replay                 | connector-service, connector-command, connector-crash      |
 * | took HTTP 200 for delivered                       | lightrag-sink, lightrag-judge                              |
 * | sent no `file_source`                             | lightrag-names, lightrag-server                            |
 * | made "every N hours" cron `*` + `/N`              | here, connector-operation                                  |
 * | let runs overlap                                  | json-state, connector-state of an edge, connector-service  |
 */

let folder: string;
let server: MemorySpaceServer;
let target: MemoryTarget;
let now: number;
const signal = new AbortController().signal;
const KEY = "secret-key";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "original-faults-"));
  server = await MemorySpaceServer.start();
  target = new MemoryTarget();
  now = Date.UTC(2026, 5, 1);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

function put(id: string, transcript = `text of ${id}`): void {
  server.put({ id, created_at: new Date(now - 60_000).toISOString(), transcript });
}

function client(waits: number[] = []): MemorySpaceClient {
  const pause = async (milliseconds: number) => void waits.push(milliseconds);
  return new MemorySpaceClient({ url: server.url, context: server.context, apiKey: KEY }, { pause });
}

async function run(options: Partial<SourceRunOptions> = {}, over: Partial<ConnectorState> = {}) {
  const kept = await JsonState.open(join(folder, "state.json"));
  const state = new Proxy(kept, {
    get: (of, name) => over[name as keyof ConnectorState] ?? (Reflect.get(of, name, of) as () => unknown).bind(of),
  });
  const parts = { source: new MemorySpaceSource(client()), target, state, now: () => now };
  const record = await runSource(parts, { scope: "changes", ...options }, signal);
  await kept.close();
  return record;
}

describe("at a source", () => {
  test("an edited item is imported again", async () => {
    put("a");
    await run();
    put("a", "edited");
    expect(await run()).toMatchObject({ counts: { updated: 1 } });
    expect(target.memories.get("memory-space/a")).toMatchObject({ version: 2, content: "edited" });
  });

  test("a deleted item is deleted", async () => {
    for (const id of ["a", "b"]) put(id);
    await run();
    server.items.delete("a");
    expect(await run({ scope: "full" })).toMatchObject({ counts: { deleted: 1 } });
    expect([...target.memories.keys()]).toEqual(["memory-space/b"]);
  });

  test("items beyond the service's limit are imported", async () => {
    await server.close();
    server = await MemorySpaceServer.start({ limitMax: 20, saysLimit: false });
    for (let index = 0; index < 75; index++) {
      server.put({ id: `i${index}`, created_at: new Date(now - index * 86_400_000).toISOString(), transcript: "x" });
    }
    expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 75 } });
  });

  test("what was done is kept page by page; a page that cannot be kept fails the run, and its cursor stays", async () => {
    for (let index = 0; index < 250; index++) put(`i${index}`);
    let pages = 0;
    const checkpoint: ConnectorState["checkpoint"] = async () => {
      if (++pages > 1) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    };
    const failed = await run({}, { checkpoint });
    expect(failed).toMatchObject({ state: "failed", cursorAfter: null, error: { message: "no space left on device" } });
    expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 50, unchanged: 200 } });
    expect(target.writes).toHaveLength(250);
  });

  test.each([429, 408])("status %d is tried again, after the time that the service asks for", async (status) => {
    put("a");
    const waits: number[] = [];
    server.faults.push({ kind: "status", status, headers: { "retry-after": "7" } });
    await client(waits).getItem("a");
    expect(waits).toHaveLength(1);
    expect(waits[0]).toBeGreaterThanOrEqual(7_000);
  });

  test("a wait ends at once when the caller gives up", async () => {
    put("a");
    server.faultOf = () => ({ kind: "status", status: 429, headers: { "retry-after": "60" } });
    const abort = new AbortController();
    const options = { url: server.url, context: server.context, apiKey: KEY };
    const waiting = new MemorySpaceClient(options, { onRetry: () => abort.abort(new Error("enough")) });
    await expect(waiting.getItem("a", { signal: abort.signal })).rejects.toThrow("enough");
  });

  test("no message has the key, also where the service repeats it", async () => {
    server.faultOf = () => ({ kind: "status", status: 400, body: JSON.stringify({ error: `bad key ${KEY}` }) });
    const error = await client()
      .getItem("a")
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ServiceError);
    expect((error as Error).message).toContain("[secret]");
    expect(JSON.stringify([(error as Error).message, (error as Error).stack, error])).not.toContain(KEY);
  });

  test("a second run is refused while one goes on", async () => {
    put("a");
    const first = await JsonState.open(join(folder, "state.json"));
    await first.begin({
      ...{ id: "01", state: "running", scope: "full", startedAt: now, endedAt: null, error: null },
      ...{ counts: NO_COUNTS, cursorBefore: null, cursorAfter: null },
    });
    expect(await run()).toMatchObject({ running: { id: "01" } });
    expect(target.writes).toEqual([]);
    await first.close();
  });
});

describe("on a schedule", () => {
  test.each([5, 7, 9, 25])("every %i hours is every so many hours, whatever the day's hours", async (hours) => {
    const everyMs = hours * 3_600_000;
    const from = { type: "memory-space", url: server.url, context: server.context };
    const { schedule } = connectorDefinition().parse({ from, schedule: { everyMs } });
    const rhythm = rhythmOf(schedule);
    expect(rhythm).toEqual({ everyMs });
    const kept = await keptRhythm(rhythm as Rhythm);
    const dues = [await nextDue(kept, null, now)];
    // Each run ends a while after it was due.
    for (let run = 0; run < 20; run++) dues.push(await nextDue(kept, dues.at(-1) ?? 0, (dues.at(-1) ?? 0) + 600_000));
    expect(new Set(dues.slice(1).map((due, index) => due - (dues[index] ?? 0)))).toEqual(new Set([everyMs]));
  });
});

describe("at a sink", () => {
  const worlds = useSinkWorlds();

  test("an edited memory is sent again, and a deleted one removed", async () => {
    const world = worlds.current;
    world.feed.put("a", "first");
    world.feed.put("b", "stays");
    await world.run();
    world.feed.put("a", "second");
    await world.run();
    expect(world.held()).toEqual(["second", "stays"]);
    world.feed.delete("a");
    await world.run();
    expect(world.held()).toEqual(["stays"]);
  });

  test("an accepted text is no delivery: one that the server loses is sent again", async () => {
    const world = worlds.current;
    world.feed.put("a", "said 200, and died");
    await world.stopOnceSent();
    world.server.state.kill();
    expect(world.server.state.documents.size).toBe(0);
    expect(await world.run()).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(world.held()).toEqual(["said 200, and died"]);
  });

  test("each text has a name of its own", async () => {
    const world = worlds.current;
    world.feed.put("a", "same");
    world.feed.put("b", "same");
    await world.run();
    const names = [...world.server.state.documents.values()].map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^mem_[a-z2-7]{20}_v1\.md$/);
  });
});
