import { afterEach, describe, expect, test } from "vitest";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import type { MemorySpaceOptions } from "../../../src/connectors/memory-space/settings.ts";
import { MemorySpaceServer, type MemorySpaceServerOptions } from "../../support/connectors/memory-space-server.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: MemorySpaceServerOptions = {}): Promise<MemorySpaceServer> {
  const server = await MemorySpaceServer.start(options);
  closing.push(() => server.close());
  return server;
}

function clientOf(server: MemorySpaceServer, options: Partial<MemorySpaceOptions> = {}) {
  const waits: number[] = [];
  const client = new MemorySpaceClient(
    { url: server.url, context: server.context, apiKey: "secret-key", ...options },
    { onRetry: ({ waitMs }) => waits.push(waitMs), pause: async () => undefined },
  );
  return { client, waits };
}

function fill(server: MemorySpaceServer, count: number): void {
  for (let index = 0; index < count; index++) {
    const created_at = new Date(Date.UTC(2026, 0, 1) + index * 3_600_000).toISOString();
    server.put({ id: `item-${index}`, created_at, transcript: `text ${index}` });
  }
}

async function idsOf(client: MemorySpaceClient, options: { from?: number; to?: number } = {}) {
  const ids = new Set<string>();
  const items = client.listItems(options);
  for (;;) {
    const step = await items.next();
    if (step.done) return { ids, end: step.value };
    ids.add(step.value.id);
  }
}

describe("the dialect is found out", () => {
  test.each([
    [["dates"], "dates"],
    [["dates", "since"], "dates"],
    [["since"], "since"],
    [[], "range"],
  ] as const)("of a server that filters by %o: %s", async (filters, dialect) => {
    const server = await start({ filters });
    fill(server, 3);
    expect(await clientOf(server).client.ping()).toEqual({ dialect });
  });

  test("not in an empty space, where all answers look alike", async () => {
    const server = await start();
    const { client } = clientOf(server);
    expect(await client.ping()).toEqual({ dialect: null });
    fill(server, 1);
    expect(await client.ping()).toEqual({ dialect: "dates" });
  });
});

describe("all items are listed", () => {
  test.each<[string, MemorySpaceServerOptions]>([
    ["by dates", {}],
    ["by dates in no order", { order: "stored" }],
    ["by days", { byDay: true }],
    ["with a limit that is lowered without a word", { limitMax: 40, saysLimit: false }],
    ["under another key", { key: "results" }],
    ["in a bare array", { key: null }],
    ["by since", { filters: ["since"] }],
    ["by range", { filters: [] }],
  ])("%s", async (_, options) => {
    const server = await start(options);
    fill(server, 250);
    const { ids, end } = await idsOf(clientOf(server, { listLimit: 100 }).client);
    expect(ids.size).toBe(250);
    expect(end).toMatchObject({ complete: true });
  });

  test.each(["dates", "since", "range"] as const)("and of a span only those, by %s", async (dialect) => {
    const server = await start({ filters: dialect === "range" ? [] : [dialect] });
    fill(server, 250);
    const from = Date.UTC(2026, 0, 2);
    const { ids } = await idsOf(clientOf(server).client, { from, to: from + 3 * 3_600_000 });
    expect([...ids].sort()).toEqual(["item-24", "item-25", "item-26", "item-27"]);
  });

  test("with the time of their last change, where the service says it", async () => {
    const server = await start({ filters: ["since"] });
    fill(server, 5);
    server.put({ id: "item-0", created_at: "2026-01-01T00:00:00Z", updated_at: "2026-06-01T00:00:00Z" });
    const { ids } = await idsOf(clientOf(server).client, { from: Date.UTC(2026, 4, 1) });
    expect([...ids]).toEqual(["item-0"]);
  });
});

describe("a failure", () => {
  test("of the list with 404 is an unknown context, not an empty space", async () => {
    const server = await start({ context: "another" });
    const { client } = clientOf(server, { context: "mine" });
    await expect(idsOf(client)).rejects.toThrow('Memory Space does not know the context "mine"');
  });

  test("that passes is waited out as the service asks", async () => {
    const server = await start();
    fill(server, 12);
    const { client, waits } = clientOf(server, { dialect: "dates" });
    server.faults.push(
      { kind: "status", status: 429, headers: { "retry-after": "7" } },
      { kind: "status", status: 408 },
      { kind: "status", status: 503 },
      { kind: "half" },
    );
    expect((await idsOf(client)).ids.size).toBe(12);
    expect(waits).toHaveLength(4);
    expect(waits[0]).toBeGreaterThanOrEqual(7_000);
  });

  test("that asks for a longer wait than allowed ends the call, and so does the last attempt", async () => {
    const server = await start();
    const { client, waits } = clientOf(server, { attemptsMax: 2, retryAfterMaxMs: 1_000 });
    server.faults.push({ kind: "status", status: 429, headers: { "retry-after": "60" } });
    await expect(client.ping()).rejects.toMatchObject({ failure: "transient", status: 429, retryAfterMs: 60_000 });
    server.faults.push({ kind: "status", status: 500 }, { kind: "status", status: 502 });
    await expect(client.ping()).rejects.toMatchObject({ status: 502 });
    expect(waits).toHaveLength(1);
  });

  test("to send anything is a failure that passes", async () => {
    const server = await start();
    const { client, waits } = clientOf(server, { timeoutMs: 100, attemptsMax: 2, dialect: "dates" });
    server.faults.push({ kind: "stall" }, { kind: "stall" });
    await expect(client.ping()).rejects.toThrow("nothing came within 100 ms");
    expect(waits).toHaveLength(1);
  });

  test("of the key is told as such, and neither message nor error repeats the key", async () => {
    const server = await start();
    const { client } = clientOf(server, { apiKey: "wrong-key-1234" });
    server.faults.push({ kind: "status", status: 401, body: '{"error":"no account has wrong-key-1234"}' });
    const error = await client.ping().then(
      () => null,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ failure: "authentication", status: 401 });
    expect(error?.message).toContain("[secret]");
    expect(JSON.stringify([error, error?.stack, error?.cause])).not.toContain("wrong-key-1234");
  });

  test("ends at once when the caller gives up, also during a wait", async () => {
    const server = await start();
    const abort = new AbortController();
    const client = new MemorySpaceClient(
      { url: server.url, context: server.context, apiKey: "secret-key", retryBaseMs: 3_600_000, retryMaxMs: 3_600_000 },
      { onRetry: () => abort.abort(new Error("enough")) },
    );
    server.faults.push({ kind: "status", status: 503 });
    await expect(client.ping({ signal: abort.signal })).rejects.toThrow("enough");
  });
});

describe("a redirect", () => {
  test("to another host is refused, and the key stays here", async () => {
    const [server, other] = [await start(), await start()];
    server.faults.push({ kind: "status", status: 302, headers: { location: `${other.url}/memory/${other.context}` } });
    await expect(clientOf(server).client.ping()).rejects.toThrow(/it redirects to http:\/\/127\.0\.0\.1:\d+, and only/);
    expect(other.requests).toEqual([]);
  });

  test("within the host is followed, a few times", async () => {
    const server = await start();
    fill(server, 1);
    const there = {
      kind: "status",
      status: 307,
      headers: { location: `/memory/${server.context}?limit=1&range=all` },
    } as const;
    server.faults.push(there);
    await clientOf(server, { dialect: "dates" }).client.ping();
    expect(server.requests).toHaveLength(2);
    server.faults.push(there, there, there, there);
    await expect(clientOf(server, { dialect: "dates" }).client.ping()).rejects.toThrow(
      "it redirects more than 3 times",
    );
  });
});

describe("one item", () => {
  test("is read by its id, whatever characters that has", async () => {
    const server = await start();
    server.put({ id: "a/b ü", created_at: "2026-01-01T00:00:00Z", transcript: "hello" });
    const { client } = clientOf(server);
    expect(await client.getItem("a/b ü")).toMatchObject({ id: "a/b ü", transcript: "hello" });
    expect(await client.getItem("nothing")).toBeNull();
  });

  test("is not asked for where its id would name another path", async () => {
    const server = await start();
    for (const id of ["..", ".", "\ud800"])
      await expect(clientOf(server).client.getItem(id)).rejects.toMatchObject({
        code: "SERVICE_FAILED",
        failure: "permanent",
        message: `${JSON.stringify(id)} can be no part of a path: nothing was asked for`,
      });
    expect(server.requests).toHaveLength(0);
  });

  test("is not gone because the answer is another thing", async () => {
    const server = await start();
    server.faults.push({ kind: "status", status: 200, body: '{"error":"try later"}' });
    await expect(clientOf(server).client.getItem("a")).rejects.toThrow("the answer is not this item");
  });
});

describe("a file of an item", () => {
  test("arrives in parts, and goes on where it was cut", async () => {
    const server = await start();
    const bytes = Buffer.from("0123456789".repeat(1_000));
    server.media.set("a/audio", { type: "audio/ogg;codecs=opus", bytes });
    const { client } = clientOf(server);
    const got: Uint8Array[] = [];
    const take = async (media: { bytes: AsyncIterable<Uint8Array>; offset: number; contentType: string }) => {
      expect(media.offset).toBe(Buffer.concat(got).length);
      expect(media.contentType).toBe("audio/ogg;codecs=opus");
      for await (const part of media.bytes) got.push(part);
      return true;
    };
    server.faults.push({ kind: "half" });
    await expect(client.getAudio("a", take)).rejects.toMatchObject({ failure: "transient" });
    expect(await client.getAudio("a", take, { offset: Buffer.concat(got).length })).toBe(true);
    expect(Buffer.concat(got).equals(bytes)).toBe(true);
    expect(await client.getImage("a", take)).toBeNull();
  });
});

test("a port that no HTTP client calls is told at once, and not tried again", async () => {
  const waits: number[] = [];
  const client = new MemorySpaceClient(
    { url: "http://127.0.0.1:6000", context: "c", apiKey: "secret-key" },
    { onRetry: ({ waitMs }) => waits.push(waitMs), pause: async () => undefined },
  );
  const asked = client.ping();
  await expect(asked).rejects.toThrow("no HTTP client calls port 6000: serve it at another");
  await expect(asked).rejects.toMatchObject({ failure: "permanent", retryable: false });
  expect(waits).toEqual([]);
});
