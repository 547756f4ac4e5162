import { describe, expect, test } from "vitest";
import {
  archivedOf,
  archiveFindings,
  type Body,
  type Expired,
  goneBack,
  type ReplicaSide,
  type Row,
  type Side,
  sideFindings,
} from "./comparison.ts";

/** Goal: a comparison that notices. Each case is what a broken replication would leave in the replica. */

const EXPIRED: Expired = { memory_id: "expired", version: "2", content: "expired one" };

function row(memory_id: string, version: number, ended_by: string | null = null): Row {
  return { memory_id, version: String(version), ended_by, line: `${version} of ${memory_id}` };
}

function body(memory_id: string, version: number, differs: Partial<Body> = {}): Body {
  return { ...row(memory_id, version), privacy: "full", has_content: true, strictest: 0, ...differs };
}

/** A memory that lives, one that was deleted, one whose first version is withheld, and one that was erased. */
const PRIMARY: Side = {
  rows: [row("live", 2), row("deleted", 2, "deleted"), row("hidden", 2), row("erased", 2, "erased")],
  bodies: [
    ...[body("live", 1), body("live", 2), body("deleted", 1)],
    body("deleted", 2, { ended_by: "deleted", privacy: null, has_content: false }),
    body("hidden", 1, { strictest: 1 }),
    body("hidden", 2, { privacy: "redacted" }),
    body("erased", 1, { privacy: null, has_content: false, strictest: 2 }),
  ],
};
const withheld = { privacy: null, has_content: false } as const;

/** What a replica has of it all. */
const REPLICA: ReplicaSide = {
  rows: PRIMARY.rows,
  bodies: [
    ...[body("live", 1), body("live", 2), body("deleted", 1)],
    body("deleted", 2, { ended_by: "deleted", ...withheld }),
    body("hidden", 1, withheld),
    body("hidden", 2, { privacy: "redacted", has_content: false }),
    body("erased", 1, withheld),
  ],
  diverged: [
    { memory_id: "live", version: "3", has_content: true },
    { memory_id: "erased", version: "2", has_content: false },
  ],
};

function withRow(memoryId: string, ...instead: readonly Row[]): ReplicaSide {
  return { ...REPLICA, rows: [...REPLICA.rows.filter(({ memory_id }) => memory_id !== memoryId), ...instead] };
}

function withBody(name: string, ...instead: readonly Body[]): ReplicaSide {
  const others = REPLICA.bodies.filter(({ memory_id, version }) => `${memory_id}@${version}` !== name);
  return { ...REPLICA, bodies: [...others, ...instead] };
}

test("a replica that has what it may have is no finding", () => {
  expect(sideFindings(PRIMARY, REPLICA)).toEqual([]);
  // Of what never arrived there need be no ending.
  expect(sideFindings(PRIMARY, withRow("deleted"))).toEqual([]);
});

describe("it is noticed that", () => {
  test.each<[string, ReplicaSide, RegExp]>([
    ["content was not emptied", withBody("hidden@1", body("hidden", 1)), /^body hidden@1: its content is withheld/],
    ["content of an erased one is left", withBody("erased@1", body("erased", 1)), /^body erased@1: it was erased/],
    [
      "a lost version of an erased one is kept",
      { ...REPLICA, diverged: [{ memory_id: "erased", version: "2", has_content: true }] },
      /^diverged erased@2: it was erased/,
    ],
    ["a tombstone was ignored", withRow("deleted", row("deleted", 1)), /^row deleted: its ending is not there/],
    ["a memory ended otherwise", withRow("erased", row("erased", 2, "deleted")), /^row erased: it ended otherwise/],
    ["a row went back", withRow("live", row("live", 1)), /^row live: it is at another version/],
    ["a memory is missing", withRow("live"), /^row live: it is missing/],
    ["a version is missing", withBody("live@1"), /^body live@1: this version is missing/],
    ["a row differs", withRow("live", { ...row("live", 2), line: "else" }), /^row live: it differs/],
    ["a version differs", withBody("live@2", body("live", 2, { line: "else" })), /^body live@2: this version differs/],
    ["a memory is there that never was", withRow("none", row("none", 1)), /^row none: the primary does not know it/],
  ])("%s", (_, replica, finding) => {
    expect(sideFindings(PRIMARY, replica)).toEqual([expect.stringMatching(finding)]);
  });

  test("a local_only memory is alive in the replica", () => {
    const primary = { rows: [row("own", 1)], bodies: [body("own", 1, { privacy: "local_only" })] };
    const none = { rows: [], bodies: [], diverged: [] };
    expect(sideFindings(primary, none)).toEqual([]);
    expect(sideFindings(primary, { ...none, rows: [row("own", 1)] })).toEqual([
      expect.stringMatching(/^row own: it is local_only, and alive/),
    ]);
  });

  test("a version goes back, or a row goes, between two looks", () => {
    const before = new Map([...["a", "b", "c"].map((id) => [id, 5] as const)]);
    expect(goneBack(before, new Map([...before, ["a", 6], ["d", 1]]))).toEqual([]);
    expect(goneBack(before, new Map([...before, ["a", 4]]))).toEqual(["replica: a went back from 5 to 4 in an epoch"]);
    expect(goneBack(before, new Map([...before].slice(1)))).toEqual(["replica: the row of a is gone, it was at 5"]);
  });

  test("an archive shows nothing, or something else", () => {
    expect(archiveFindings([EXPIRED], new Map([["expired", "expired one"]]))).toEqual([]);
    expect(archiveFindings([EXPIRED], new Map())).toEqual([expect.stringMatching(/shows nothing$/)]);
    expect(archiveFindings([EXPIRED], new Map([["expired", "other"]]))).toEqual([
      expect.stringMatching(/shows other$/),
    ]);
  });
});

test("an archive has to show what expired, unless the primary has something newer to say", () => {
  expect(archivedOf([EXPIRED], [row("expired", 2, "expired")])).toEqual([EXPIRED]);
  expect(archivedOf([EXPIRED], [])).toEqual([EXPIRED]); // Its tombstone was pruned.
  expect(archivedOf([EXPIRED], [row("expired", 3)])).toEqual([]);
  expect(archivedOf([EXPIRED], [row("expired", 2, "erased")])).toEqual([]);
});
