import { describe, expect, test } from "vitest";
import { parseItem } from "../../../src/connectors/memory-space/item.ts";

describe("an entry of a listing", () => {
  test("that has no id is no item: an error with status 200 must not become a memory", () => {
    for (const value of [
      { error: "quota" },
      { id: "" },
      { id: "a\0" },
      { id: "\ud800" },
      { id: null },
      { id: 1.5 },
      "text",
      null,
      3,
      [],
    ]) {
      expect(parseItem(value)).toBeNull();
    }
  });

  test("in the published shape is read field by field", () => {
    expect(
      parseItem({
        id: "a1",
        type: "note",
        audio: true,
        image: false,
        description: "a walk",
        transcript: "we walked",
        transcript_status: "done",
        review_status: "open",
        location_lat: 48.2,
        location_lon: 16.37,
        created_at: "2026-11-01T10:00:00Z",
        tags: ["home", "dog"],
      }),
    ).toEqual({
      id: "a1",
      type: "note",
      transcript: "we walked",
      description: "a walk",
      transcriptStatus: "done",
      reviewStatus: "open",
      place: { latitude: 48.2, longitude: 16.37 },
      tags: ["home", "dog"],
      createdAt: Date.UTC(2026, 10, 1, 10),
      updatedAt: null,
      media: ["audio"],
    });
  });

  test.each([
    [{ transcript: "a", body: "b" }, "a"],
    [{ transcript: "  ", transcript_text: "t" }, "t"],
    [{ body: "b" }, "b"],
    [{ content: "c" }, "c"],
    [{ text: "d" }, "d"],
    [{ data: { transcript: "e" } }, "e"],
    [{ data: { text: "f" } }, "f"],
    [{ data: "g" }, ""],
    [{}, ""],
  ])("%o has the text %s", (fields, expected) => {
    expect(parseItem({ id: "x", ...fields })?.transcript).toBe(expected);
  });

  test("may separate its tags by commas", () => {
    expect(parseItem({ id: "x", tags: " home, dog,,home " })?.tags).toEqual(["home", "dog"]);
    expect(parseItem({ id: "x", tags: ["a", 3, " a ", ""] })?.tags).toEqual(["a"]);
    expect(parseItem({ id: "x", tags: null })?.tags).toEqual([]);
  });

  test.each([
    [0, 0],
    [null, null],
    ["48", "16"],
    [48, undefined],
    [Number.NaN, 1],
  ])("at %o, %o has no place", (location_lat, location_lon) => {
    expect(parseItem({ id: "x", location_lat, location_lon })?.place).toBeNull();
  });

  test("on the equator has one", () => {
    expect(parseItem({ id: "x", location_lat: 0, location_lon: 16 })?.place).toEqual({ latitude: 0, longitude: 16 });
  });

  test("has the files that it links to, also where the flags are missing", () => {
    expect(parseItem({ id: "x", gcs_uri: "gs://b/a.ogg", gcs_uri_img: "gs://b/a.jpg" })?.media).toEqual([
      "audio",
      "image",
    ]);
    expect(parseItem({ doc_id: 17, audio: "true" })).toMatchObject({ id: "17", media: [] });
  });
});
