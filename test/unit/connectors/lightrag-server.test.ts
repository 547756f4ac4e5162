import { afterEach, describe, expect, test } from "vitest";
import { LightRagServer } from "../../support/connectors/lightrag-server.ts";
import { type LightRagVersion, VERSIONS } from "../../support/connectors/lightrag-state.ts";
import { VirtualClock } from "../../support/connectors/virtual-clock.ts";

/** Each row of the observed behaviour of real servers, held against the stand-in. */

const OLD: LightRagVersion[] = ["1.4.9.9", "1.4.16"];
const NEW: LightRagVersion[] = ["1.5.0", "1.5.4", "1.5.6"];

let running: LightRagServer | null = null;
afterEach(async () => {
  await running?.close();
  running = null;
});

async function start(version: LightRagVersion) {
  const clock = new VirtualClock();
  const server = await LightRagServer.start({ version, clock });
  running = server;
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { "x-api-key": "rag-key" },
  ) => {
    const response = await fetch(server.url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Record<string, unknown>,
    };
  };
  const insert = (name: string | undefined, text: string) =>
    call("POST", "/documents/text", { text, file_source: name });
  const list = async () =>
    (await call("POST", "/documents/paginated", { page: 1, page_size: 200 })).body.documents as Record<
      string,
      unknown
    >[];
  return { server, clock, call, insert, list };
}

describe.each(VERSIONS)("version %s", (version) => {
  test("shows a document under its insert some milliseconds later, and processes it", async () => {
    const { clock, call, insert, list } = await start(version);
    const { body } = await insert("a.md", "hello");
    expect(body.status).toBe("success");
    const track = `/documents/track_status/${body.track_id}`;
    expect((await call("GET", track)).body.documents).toEqual([]);
    clock.advance(50);
    expect((await call("GET", track)).body).toMatchObject({
      total_count: 1,
      status_summary: { "DocStatus.PROCESSING": 1 },
    });
    clock.advance(1_000);
    expect(await list()).toMatchObject([{ status: "processed", file_path: "a.md" }]);
  });

  test("answers 422 for no text, pages of other sizes and filters in upper case, and an empty page beyond the end", async () => {
    const { call } = await start(version);
    for (const text of [undefined, "", null]) {
      expect((await call("POST", "/documents/text", { text, file_source: "a.md" })).status).toBe(422);
    }
    for (const page_size of [9, 201]) {
      expect((await call("POST", "/documents/paginated", { page: 1, page_size })).status).toBe(422);
    }
    const upper = { page: 1, page_size: 10, status_filter: "PROCESSED" };
    expect((await call("POST", "/documents/paginated", upper)).status).toBe(422);
    expect((await call("POST", "/documents/paginated", { page: 9, page_size: 10 })).body.documents).toEqual([]);
  });

  test("answers 500 for a lone surrogate, and for a deletion of nothing, of blank or repeated ids", async () => {
    const { call, insert } = await start(version);
    expect((await insert("a.md", "x\ud800y")).status).toBe(500);
    for (const doc_ids of [[], [" "], ["a", "a"]]) {
      expect((await call("DELETE", "/documents/delete_document", { doc_ids })).status).toBe(500);
    }
  });

  test("starts to delete unknown ids too, and is busy until it is done", async () => {
    const { clock, call } = await start(version);
    const remove = () => call("DELETE", "/documents/delete_document", { doc_ids: ["doc-unknown"] });
    expect((await remove()).body.status).toBe("deletion_started");
    expect((await remove()).body.status).toBe("busy");
    clock.advance(5_000);
    expect((await call("GET", "/documents/pipeline_status")).body.busy).toBe(false);
  });

  test("loses what it has just accepted when it is killed, and forgets what was pending until it is woken", async () => {
    const { server, clock, call, insert, list } = await start(version);
    await insert("a.md", "first");
    clock.advance(100);
    server.state.kill();
    expect(await list()).toEqual([]);
    await insert("b.md", "second");
    server.state.modelIsDown = true;
    await insert("c.md", "third");
    clock.advance(1_600);
    server.state.modelIsDown = false;
    const failed = await list();
    expect(failed.map(({ status }) => status)).toEqual(["failed", "failed"]);
    await call("POST", "/documents/reprocess_failed", {});
    clock.advance(50);
    server.state.kill();
    clock.advance(5_000);
    expect((await list()).every(({ status }) => status === "pending")).toBe(true);
    expect((await call("GET", "/documents/pipeline_status")).body.busy).toBe(false);
    await call("POST", "/documents/reprocess_failed", {});
    clock.advance(5_000);
    expect((await list()).map(({ status }) => status)).toEqual(["processed", "processed"]);
  });

  test("takes a key or a token, and refuses a bad token even beside a good key", async () => {
    const { call } = await start(version);
    const page = { page: 1, page_size: 10 };
    expect((await call("POST", "/documents/paginated", page, {})).status).toBe(403);
    expect(
      (await call("POST", "/documents/paginated", page, { "x-api-key": "rag-key", authorization: "Bearer x" })).status,
    ).toBe(401);
    expect((await call("GET", "/health", undefined, {})).status).toBe(200);
    expect((await call("GET", "/health", undefined, { "lightrag-workspace": "w" })).status).toBe(500);
  });
});

describe.each(OLD)("version %s", (version) => {
  test("says duplicated for the same name or text, whatever became of that document", async () => {
    const { server, clock, insert } = await start(version);
    server.state.modelIsDown = true;
    const first = await insert("a.md", "hello");
    clock.advance(5_000);
    expect((await insert("a.md", "another")).body).toMatchObject({
      status: "duplicated",
      track_id: first.body.track_id,
    });
    expect((await insert("b.md", "hello")).body.status).toBe("duplicated");
    expect((await insert("A.md", "case counts")).body.status).toBe("success");
  });

  test("stores texts of one name that come at once, all of them", async () => {
    const { clock, insert, list } = await start(version);
    await Promise.all(Array.from({ length: 20 }, (_, index) => insert("a.md", `text ${index}`)));
    clock.advance(50);
    expect(await list()).toHaveLength(20);
  });

  test("leaves inserts of the same text that come at once without a document for ever", async () => {
    const { clock, call, insert } = await start(version);
    const answers = await Promise.all(Array.from({ length: 5 }, () => insert("a.md", "same")));
    clock.advance(60_000);
    const found = await Promise.all(answers.map(({ body }) => call("GET", `/documents/track_status/${body.track_id}`)));
    expect(found.map(({ body }) => body.total_count).sort()).toEqual([0, 0, 0, 0, 1]);
  });

  test("says duplicated right after a deletion of the same began, and then has nothing", async () => {
    const { clock, call, insert, list } = await start(version);
    await insert("a.md", "hello");
    clock.advance(5_000);
    const [document] = await list();
    await call("DELETE", "/documents/delete_document", { doc_ids: [document?.id] });
    expect((await insert("a.md", "hello")).body).toMatchObject({ status: "duplicated" });
    clock.advance(5_000);
    expect(await list()).toEqual([]);
  });

  test("tries failed documents again with the next insert of anything", async () => {
    const { server, clock, insert, list } = await start(version);
    server.state.modelIsDown = true;
    await insert("a.md", "hello");
    clock.advance(5_000);
    server.state.modelIsDown = false;
    await insert("b.md", "other");
    clock.advance(5_000);
    expect((await list()).map(({ status }) => status)).toEqual(["processed", "processed"]);
  });

  test("accepts a blank text and fails it, and never processes a special token", async () => {
    const { clock, insert, list } = await start(version);
    await insert("a.md", "  ");
    await insert("b.md", "x <|endoftext|> y");
    clock.advance(5_000);
    expect((await list()).map(({ status }) => status)).toEqual(["failed", "failed"]);
  });
});

test("version 1.4.9.9 answers 500 to every listing while a document has no name", async () => {
  const { clock, call, insert } = await start("1.4.9.9");
  expect((await insert(undefined, "no name")).status).toBe(200);
  clock.advance(1_000);
  expect((await call("POST", "/documents/paginated", { page: 1, page_size: 10 })).status).toBe(500);
});

describe.each(NEW)("version %s", (version) => {
  test("refuses texts without a name, and reserved ones", async () => {
    const { insert } = await start(version);
    for (const name of [undefined, "", " ", ".", "no-file-path", "unknown_source"]) {
      expect((await insert(name, "hello")).status).toBe(400);
    }
  });

  test("keeps the last part of a name only, without its hint", async () => {
    const { clock, insert, list } = await start(version);
    await insert("memory://a/1.[native].md", "hello");
    clock.advance(1_000);
    expect(await list()).toMatchObject([{ file_path: "1.md" }]);
    expect((await insert("memory://b/1.md", "other")).status).toBe(409);
  });

  test("answers 409 for a name that it has, and success for a text that it has, of which nothing is indexed", async () => {
    const { clock, insert, list } = await start(version);
    await insert("a.md", "hello");
    clock.advance(1_000);
    expect((await insert("a.md", "other")).body.detail).toContain(
      "Document storage already contains 'a.md' (Status: processed)",
    );
    expect((await insert("b.md", "hello")).body.status).toBe("success");
    clock.advance(1_000);
    const duplicate = (await list()).find(({ file_path }) => file_path === "b.md");
    expect(duplicate).toMatchObject({ status: "failed", metadata: { is_duplicate: true } });
    expect(String(duplicate?.id)).toMatch(/^dup-/);
    expect((await insert("b.md", "new text")).status).toBe(version === "1.5.6" ? 200 : 409);
  });

  test("stores one of those that come at once under one name", async () => {
    const { clock, insert, list } = await start(version);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => insert("a.md", `text ${index}`)));
    clock.advance(50);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await list()).toHaveLength(1);
  });

  test("takes texts while it works, and none of any name while it deletes", async () => {
    const { clock, call, insert, list } = await start(version);
    await insert("a.md", "hello");
    expect((await insert("b.md", "other")).status).toBe(200);
    clock.advance(5_000);
    const [document] = await list();
    await call("DELETE", "/documents/delete_document", { doc_ids: [document?.id] });
    expect((await insert("c.md", "third")).status).toBe(409);
    if (version === "1.5.0") {
      clock.advance(200);
      expect(await list()).toHaveLength(1);
      expect((await insert("c.md", "third")).status).toBe(409);
    }
    clock.advance(5_000);
    expect((await insert("c.md", "third")).status).toBe(200);
  });

  test("tries failed documents again: with the next insert before 1.5.6, when asked from then on", async () => {
    const { server, clock, call, insert, list } = await start(version);
    server.state.modelIsDown = true;
    await insert("a.md", "hello");
    clock.advance(5_000);
    server.state.modelIsDown = false;
    await insert("b.md", "other");
    clock.advance(5_000);
    const failed = (await list()).filter(({ status }) => status === "failed");
    expect(failed).toHaveLength(version === "1.5.6" ? 1 : 0);
    await call("POST", "/documents/reprocess_failed", {});
    clock.advance(5_000);
    expect((await list()).every(({ status }) => status === "processed")).toBe(true);
  });
});

describe("version 1.5.6", () => {
  test("stays busy for ever after a retry while it was busy and nothing had failed", async () => {
    const { server, clock, call, insert } = await start("1.5.6");
    await insert("a.md", "hello");
    await call("POST", "/documents/reprocess_failed", {});
    clock.advance(3_600_000);
    expect(server.state.busy).toBe(true);
    await call("POST", "/documents/cancel_pipeline");
    expect(server.state.busy).toBe(false);
  });

  test("answers 429 with Retry-After where back-pressure is set up, and 500 for a blank text", async () => {
    const { server, insert } = await start("1.5.6");
    server.state.pressure.push(7);
    const refused = await insert("a.md", "hello");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "7"]);
    expect((await insert("a.md", "   ")).status).toBe(500);
  });
});

test("cancelling fails the running document, and on 1.5.6 those that wait as well", async () => {
  for (const [version, expected] of [
    ["1.4.16", ["failed", "pending"]],
    ["1.5.6", ["failed", "failed"]],
  ] as const) {
    const { clock, call, insert, list } = await start(version);
    await insert("a.md", "one");
    await insert("b.md", "two");
    clock.advance(50);
    await call("POST", "/documents/cancel_pipeline");
    expect((await list()).map(({ status }) => status).sort()).toEqual(expected);
    await running?.close();
  }
});
