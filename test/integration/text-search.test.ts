import { describe, expect, test } from "vitest";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import { HashingEmbedder, MemorySynchronizer, type SearchOptions } from "../../src/index.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { openService } from "../support/http-service.ts";
import { plansOf } from "../support/plans.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

const INDEX = "memory_bodies_words_english_index";
const shared = sharedWorld({ faiss: false, settings: { indexes: { text: "english" } } });

async function write(namespace: string, contents: Record<string, string>, more: object = {}) {
  const { sync } = shared.current;
  const outcomes = await sync.syncBatch(
    Object.entries(contents).map(([memoryId, content]) => ({ namespace, memoryId, content, memoryType: "t", ...more })),
  );
  expect(outcomes.map(({ error, status }) => error?.message ?? status)).toEqual(outcomes.map(() => "synced"));
}

async function find(namespace: string, query: string, options: SearchOptions = {}) {
  const results = await shared.current.sync.search(query, { namespace, mode: "text", ...options });
  return results.map(({ memory }) => memory.memoryId);
}

describe("a search by words", () => {
  test("finds words in any form, the rarest first, without an embedder or a vector index", async () => {
    await write("forms", {
      dog: "Last week we adopted a dog from the shelter",
      agency: "The adoption agency called us about the papers",
      talk: "That is great to hear, thanks so much for telling me!",
      agent: "The papers of the agency are on the table",
    });
    expect(await find("forms", "adopted a dog")).toEqual(["dog", "agency"]);
    expect(await find("forms", "Who ADOPTS dogs?")).toEqual(["dog", "agency"]);
    expect(await find("forms", "the of and")).toEqual([]);
    expect(await find("forms", "nothing like zebras")).toEqual([]);
    expect(await find("forms", "agency papers", { k: 1 })).toHaveLength(1);
  });

  test("shows what the ledger holds now, of one namespace", async () => {
    const { sync, sql } = shared.current;
    await write("now", { changed: "quokka", gone: "quokka", expired: "quokka", kept: "quokka" });
    await write("other-tenant", { theirs: "quokka" });
    await write("now", { changed: "wombat" });
    await sync.delete("gone", { namespace: "now" });
    await sql`update mnemosync.memory_versions set expires_at = clock_timestamp() - interval '1 second'
      where namespace = 'now' and memory_id = 'expired'`;
    expect(await find("now", "quokka")).toEqual(["kept"]);
    expect(await find("now", "wombat")).toEqual(["changed"]);
    expect(await find("other-tenant", "quokka")).toEqual(["theirs"]);
    // A word that reads like the mark of a namespace is a word.
    expect(await find("now", "\\x01other-tenant other-tenant \u0001other-tenant")).toEqual([]);
  });

  test("takes filters, a least score, and any text as a query", async () => {
    await write("filters", { a: "a red kite", b: "a red car" }, { metadata: { kind: "toy" } });
    await write("filters", { c: "the kite is red, red, red" }, { metadata: { kind: "bird" } });
    expect((await find("filters", "red", { where: { "metadata.kind": { eq: "toy" } } })).sort()).toEqual(["a", "b"]);
    expect(await find("filters", "red", { filter: { metadata: { kind: "bird" } } })).toEqual(["c"]);
    expect(await find("filters", "kite", { scoreMin: 100 })).toEqual([]);
    for (const query of ["'", "\\", "''' & | ! :* <->", "a\\'b", "🧠", "x".repeat(50_000)]) {
      expect(await find("filters", query), query.slice(0, 20)).toEqual([]);
    }
    for (const query of ["red'", "'red", "\\red", "red ".repeat(5_000), "!red | kite"]) {
      expect((await find("filters", query)).sort(), query.slice(0, 20)).toEqual(["a", "b", "c"]);
    }
    const { sync } = shared.current;
    const refused: [unknown, object, string][] = [
      ["a", { mode: "words" }, 'mode: "words" is no mode of a search: expected one of "vector", "text", "hybrid"'],
      [[1, 2], { mode: "text" }, "query: is a vector"],
      [[1, 2], { mode: "hybrid" }, "text: is missing"],
      ["a", { mode: "hybrid", text: "b" }, "text: is for mode"],
      ["a", { mode: "hybrid", scoreMin: 0 }, "scoreMin: has no meaning"],
      ["a", { mode: "text", weights: { text: 1 } }, 'weights: are for mode "hybrid"'],
      ["a", { mode: "hybrid", weights: 2 }, "weights: expected an object"],
      ["a", { mode: "hybrid", weights: { words: 2 } }, "weights.words: is no ranking"],
      ["a", { mode: "hybrid", weights: { text: -1 } }, "weights.text: expected a number from 0 to 1000"],
      ["a", { mode: "hybrid", weights: { vector: Number.NaN } }, "weights.vector: expected a number"],
      ["a", { mode: "hybrid", weights: { vector: 0, text: 0 } }, "weights: are both 0"],
      ["a\u0000b", { mode: "text" }, "query: "],
    ];
    for (const [query, options, message] of refused) {
      await expect(sync.search(query as string, options as SearchOptions)).rejects.toThrow(message);
    }
  });

  test("long contents and long words are written; the first 65,536 characters are found", async () => {
    const words = Array.from({ length: 60_000 }, (_, at) =>
      String.fromCodePoint(0x10400 + (at % 80), 0x4e00 + (at % 20_000)),
    );
    await write("long", {
      deep: `needle ${"hay ".repeat(200_000)}`,
      behind: `${"hay ".repeat(20_000)} needle`,
      hyphens: `${words.join("-")} needle`.slice(0, 250_000),
      distinct: `needle ${words.join(" ")}`.slice(0, 250_000),
      base64: `${"QUJD".repeat(10_000)} needle`,
    });
    expect((await find("long", "needle")).sort()).toEqual(["base64", "deep", "distinct"]);
  });

  test("a common word is not read to its end, and rare ones decide", async () => {
    const ids = Array.from({ length: 3_000 }, (_, at) => `m${at}`);
    await write("common", Object.fromEntries(ids.map((id, at) => [id, `weather number${at}`])));
    expect(await find("common", "weather number2999", { k: 3 })).toHaveLength(3);
    expect((await find("common", "weather number2999"))[0]).toBe("m2999");
  });

  test("the index is used, whatever the statistics say", async () => {
    const world = shared.current;
    for (const name of ["without statistics", "with statistics"]) {
      if (name === "with statistics") await world.sql`analyze mnemosync.memory_versions, mnemosync.memories`;
      const plans = await plansOf(world, async (ledger) => {
        for (const namespace of ["forms", "none"]) {
          for (const where of [{}, { memoryType: { eq: "t" } }]) {
            const condition = parseFilter(where);
            await ledger.searchText({ namespace, language: "english", text: "a red dog", condition, limit: 10 }, NEVER);
          }
        }
      });
      expect(plans).toHaveLength(4);
      for (const plan of plans) {
        expect(plan).toContain(`Bitmap Index Scan on ${INDEX}`);
        expect(plan).not.toMatch(/Seq Scan on memor/);
      }
    }
  });
});

describe("a hybrid search", () => {
  test("with the offline embedder ranks what was asked for before small talk", async (t) => {
    const { sync } = await openWorld(t, {
      faiss: { dimension: 384 },
      settings: { embedding: { provider: "hashing" }, indexes: { text: "english" } },
    });
    const contents = [
      "That is a lovely thing to do, a real treat for a family!",
      "Oh, we picked up a puppy: our family adopted Rex, the dog, on Sunday.",
      "A day at a lake, a boat, a picnic.",
      "I had a look at a car and a bike.",
      "How was a concert that you were at?",
    ];
    await sync.syncBatch(contents.map((content, at) => ({ memoryId: `m${at}`, content, memoryType: "episodic" })));
    const hybrid = await sync.search("adopted a dog", { mode: "hybrid" });
    expect(hybrid[0]?.memory.memoryId).toBe("m1");
    expect(hybrid[0]?.score).toBeLessThanOrEqual(2 / 61);
    expect(hybrid).toHaveLength(5); // What has none of the words is found by its vector, behind.
    const [vector] = await sync.search("our family adopted Rex, the dog", { k: 1 });
    expect(vector?.memory.memoryId).toBe("m1");
    const given = await sync.search(vector?.memory.embedding ?? [], { mode: "hybrid", text: "lake", k: 2 });
    expect(given.map(({ memory }) => memory.memoryId).sort()).toEqual(["m1", "m2"]);

    const ranked = async (weights: object, query = "a lovely lake") =>
      (await sync.search(query, { mode: "hybrid", weights })).map(({ memory }) => memory.memoryId);
    const idsOf = async (mode: "vector" | "text") =>
      (await sync.search("a lovely lake", { mode })).map(({ memory }) => memory.memoryId);
    expect(await ranked({ vector: 0 })).toEqual(await idsOf("text"));
    expect(await ranked({ text: 0 })).toEqual(await idsOf("vector"));
    expect(await ranked({ text: 0, vector: 5 })).toEqual(await idsOf("vector"));
    // Misspelt, so that no memory has the word: the vectors alone tell.
    expect((await sync.search("picnick", { mode: "hybrid" }))[0]?.memory.memoryId).toBe("m2");
  });
});

test("over HTTP by the same modes", async (t) => {
  const service = await openService(t, {
    world: { faiss: { dimension: 64 }, settings: { embedding: { provider: "hashing" }, indexes: { text: "english" } } },
  });
  const { sync } = service.world;
  await sync.syncBatch([
    { memoryId: "a", content: "they adopted a dog", memoryType: "t" },
    { memoryId: "b", content: "a walk in the park", memoryType: "t" },
  ]);
  const search = async (body: object) => {
    const reply = await service.request("POST", "/v1/namespaces/default/search", { body });
    const { results = [] } = reply.json<{ results?: { memory: { memoryId: string } }[] }>();
    return [reply.statusCode, results.map(({ memory }) => memory.memoryId)];
  };
  expect(await search({ text: "adopting dogs", mode: "text" })).toEqual([200, ["a"]]);
  expect(await search({ text: "adopting dogs", mode: "hybrid" })).toEqual([200, ["a", "b"]]);
  const [vector] = await new HashingEmbedder({ dimension: 64 }).embed(
    ["walk in the park"],
    AbortSignal.timeout(60_000),
  );
  const both = { text: "park", vector: Array.from(vector ?? []), mode: "hybrid" };
  expect(await search(both)).toEqual([200, ["b", "a"]]);
  expect(await search({ ...both, mode: "text" })).toEqual([422, []]);
  expect(await search({ text: "dog", mode: "hybrid", weights: { vector: 0 } })).toEqual([200, ["a"]]);
  expect(await search({ text: "dog", mode: "hybrid", weights: { words: 1 } })).toEqual([422, []]);
  expect(await search({ text: "a", mode: "words" })).toEqual([422, []]);
  expect(await search({ vector: both.vector, mode: "hybrid" })).toEqual([422, []]);
});

describe("the index of words", () => {
  test("is not there unless a setting asks for it, and the search says which", async (t) => {
    const world = await openWorld(t, { faiss: false, redis: false });
    await expect(world.sync.search("dog", { mode: "text" })).rejects.toThrow("set indexes.text to a language");
    expect(await world.sql`select 1 from pg_indexes where indexname like 'memory_bodies_words%'`).toHaveLength(0);
    await world.put({ memoryId: "m", content: "a dog", memoryType: "t" });
    const options = { ...world.connectOptions, indexes: { text: "simple" } };
    const others = await Promise.all([1, 2, 3].map(() => MemorySynchronizer.connect(options))); // All make it at once.
    await Promise.all(others.map((other) => other.close()));
    // The one that was not told of it finds it.
    const [result] = await world.sync.search("dog", { mode: "text" });
    expect(result?.memory.memoryId).toBe("m");
  });

  test("is made anew where an attempt to make it was cut short", async (t) => {
    const world = await openWorld(t, { faiss: false, redis: false, settings: { indexes: { text: "english" } } });
    await world.put({ memoryId: "m", content: "a dog", memoryType: "t" });
    await world.disconnect();
    await world.sql`update pg_index set indisvalid = false where indexrelid = ${`mnemosync.${INDEX}`}::text::regclass`;
    await world.connect();
    expect(await world.sync.search("dogs", { mode: "text" })).toHaveLength(1);
    const valid = await world.sql`
      select 1 from pg_index where indexrelid = ${`mnemosync.${INDEX}`}::text::regclass and indisvalid`;
    expect(valid).toHaveLength(1);
  });

  test("of a language that PostgreSQL does not know is refused, with those that it knows", async (t) => {
    const world = await openWorld(t, { faiss: false, redis: false });
    const connect = (text: string) => MemorySynchronizer.connect({ ...world.connectOptions, indexes: { text } });
    await expect(connect("klingon")).rejects.toThrow(/indexes.text is "klingon".*it has .*english.*simple/);
    await expect(connect("x'; drop table")).rejects.toThrow("expected none, or a text search configuration");
  });
});
