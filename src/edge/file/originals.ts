import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ConflictRow } from "./conflicts.ts";
import { localSideOf, remoteOf } from "./conflicts.ts";
import type { FileContext, FileNotice } from "./context.ts";

const NAME_LENGTH_MAX = 100;
/** Files of one memory and version. Beyond, the conflict's id tells them apart. */
const TRIES_MAX = 100;

/**
 * The losing side of each conflict as a file of its own. Written after the conflict is committed, and noted then: what a
 * crash leaves out is written at the next chance.
 */
export class Originals {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  /** Brings files up to date with changes that were applied: `notices` are what these came upon. */
  follow(notices: readonly FileNotice[]): void {
    if (notices.some(({ kind }) => kind === "conflict" || kind === "erased")) this.catchUp();
    // Frames of the log still have what was erased.
    if (notices.some(({ kind }) => kind === "erased")) this.#context.file.all("pragma wal_checkpoint(truncate)");
  }

  /** Writes files that are missing, and removes those of erased memories. */
  catchUp(): void {
    this.#removeErased();
    if (!this.#context.settings.preserveOriginals) return;
    const rows = this.#context.file.all<ConflictRow>(
      "select * from conflicts where file is null and state = 'resolved' limit 1000",
    );
    for (const row of rows) {
      const name = this.#write(row);
      this.#context.file.run("update conflicts set file = ? where id = ?", name, row.id);
    }
  }

  #removeErased(): void {
    for (const { name } of this.#context.file.all<{ name: string }>("select name from file_removals")) {
      rmSync(join(this.#context.settings.conflictsDirectory, name), { force: true });
      this.#context.file.run("delete from file_removals where name = ?", name);
    }
  }

  #write(row: ConflictRow): string {
    const folder = this.#context.settings.conflictsDirectory;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lost = losingSide(row);
    const name = freeName(folder, `${safeName(row.memory_id)}_v${lost.version}`, row.id);
    const text = `${JSON.stringify({ conflict: row.id, namespace: row.namespace, memoryId: row.memory_id, ...lost }, null, 2)}\n`;
    const draft = join(folder, `.${row.id}.draft`);
    const descriptor = openSync(draft, "w", 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, join(folder, name));
    return name;
  }
}

/** The side that is not what the memory is now: the hub's where the edit here won, else the edit. */
export function losingSide(row: ConflictRow) {
  const remote = remoteOf(row);
  if (row.resolution === "local" || row.resolution === "merged") {
    const memory = remote.kind === "put" ? remote.memory : null;
    return { side: "hub", version: remote.version, modifiedAt: remote.modifiedAt, memory } as const;
  }
  const { document, embedding, withheld } = localSideOf(row);
  const memory =
    document === null ? null : { ...document, withheld, embedding: embedding === null ? null : Array.from(embedding) };
  return { side: "edge", version: row.base_version, modifiedAt: row.local_modified_at, memory } as const;
}

/**
 * The id of a memory as part of a file name, on any file system: other characters than letters, digits, `.`, `_` and `-` are
 * replaced, and a hash tells apart what would be one name then, or is one without regard to case.
 */
export function safeName(memoryId: string): string {
  const plain = memoryId.replace(/[^A-Za-z0-9._-]/g, "_").replace(/^[.-]+/, "_");
  if (plain === memoryId && plain.length <= NAME_LENGTH_MAX && plain === plain.toLowerCase()) return plain;
  const hash = createHash("sha256").update(memoryId).digest("hex").slice(0, 10);
  return `${plain.slice(0, NAME_LENGTH_MAX)}-${hash}`;
}

function freeName(folder: string, stem: string, id: string): string {
  for (let number = 1; number <= TRIES_MAX; number++) {
    const name = number === 1 ? `${stem}.json` : `${stem}_${number}.json`;
    if (!existsSync(join(folder, name))) return name;
  }
  return `${stem}_${id}.json`;
}
