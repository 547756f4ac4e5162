import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A mistake that is put into the program by hand, to see whether a run notices. */
export interface Defect {
  readonly name: string;
  /** For people. */
  readonly what: string;
  /** Below `src/replica`. */
  readonly file: string;
  /** Each text stands once in the file, and in what is built of it, and is replaced: no types, and nothing that the compiler lays out anew. */
  readonly changes: readonly (readonly [from: string, to: string])[];
  /** A violation of the run that tells it. */
  readonly noticed: RegExp;
}

export const DEFECTS: readonly Defect[] = [
  {
    name: "not-emptied",
    what: "content that a later version withholds stays in the replica",
    file: "apply-statements.ts",
    changes: [
      [
        "b.version < m.taken_below and b.checksum is not null",
        "b.version < m.taken_below and b.checksum is not null and false",
      ],
    ],
    noticed: /its content is (withheld, and )?(is )?in the replica/,
  },
  {
    name: "tombstones-ignored",
    what: "a row does not move to an ending",
    file: "apply-statements.ts",
    changes: [
      [
        "-- Not left to the conflict: a row that is ahead may end beside this, and must not be touched twice.\n        and not",
        "and i.checksum is not null and not",
      ],
    ],
    noticed: /its ending is not there|it was deleted|^verify|^passed: .* the row is at/,
  },
  {
    name: "version-unguarded",
    what: "a row moves to an older version",
    file: "apply-statements.ts",
    changes: [
      ["k.memory_id = i.memory_id and k.version > i.version)", "k.memory_id = i.memory_id and false)"],
      [
        "where v.version < excluded.version or (v.version = excluded.version and (",
        "where true or (v.version = excluded.version and (",
      ],
    ],
    noticed: /went back from|it is at another version|^verify/,
  },
  {
    name: "write-dropped",
    what: "of one page in four the last write is dropped",
    file: "pipeline.ts",
    changes: [
      [
        "this.#underWay += writes.length;",
        "writes = Math.random() < 0.25 ? writes.slice(0, -1) : writes;\n    this.#underWay += writes.length;",
      ],
    ],
    noticed: /this version is missing|it is missing|it is at another version|its ending is not there|^verify|^passed/,
  },
  {
    name: "place-ahead",
    what: "the place moves before the data, in a transaction of its own",
    file: "replicator.ts",
    changes: [
      [
        "this.#batches.write(connection, fence, writes, move)",
        "(move === null ? Promise.resolve(true) : cursors.moveCursor(connection.sql, fence, move)).then(() => this.#batches.write(connection, fence, writes, null))",
      ],
    ],
    noticed: /^passed/,
  },
  {
    name: "primary-tombstone-ignored",
    what: "a merged read shows what the replica has though the primary has deleted it",
    file: "merged/verdict.ts",
    changes: [
      ["if (primary === undefined) {", 'if (primary === undefined || (primary.endedBy ?? "expired") !== "expired") {'],
    ],
    noticed: /is shown from the replica, and it was (deleted|erased|replaced)|the primary decides what is alive/,
  },
  {
    name: "archive-silent",
    what: "a merged read shows nothing that expired",
    file: "merged/verdict.ts",
    changes: [
      ["return primary.isExpired && row", "return false && row"],
      ['primary.endedBy !== "expired"', 'primary.endedBy !== "expired" || archive'],
    ],
    noticed: /^archive: .* shows nothing/,
  },
];

/** The file with the defect. @throws where the text to replace does not stand there once: the program has changed. */
export function withDefect(text: string, { name, changes }: Defect): string {
  let changed = text;
  for (const [from, to] of changes) {
    const [before, after, ...more] = changed.split(from);
    if (after === undefined || more.length > 0)
      throw new Error(`defect ${name}: ${JSON.stringify(from)} has to stand in the file once`);
    changed = `${before}${to}${after}`;
  }
  return changed;
}

/** @param root of a copy of the repository, with what is built. */
export function putIn(root: string, defect: Defect): void {
  const built = defect.file.replace(/ts$/, "js");
  for (const path of [join(root, "src", "replica", defect.file), join(root, "dist", "replica", built)])
    writeFileSync(path, withDefect(readFileSync(path, "utf8"), defect));
}
