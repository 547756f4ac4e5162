/** Names of the statements that a write or a search sends, by what occurs in their text. */
const STATEMENTS: readonly (readonly [RegExp, string])[] = [
  [/^\s*(begin|commit|rollback)\b/i, ""],
  [/state = 'published'/, "mark transactions as published"],
  [/^with versions as/, "write the row that is as guessed"],
  [/with given as materialized/, "write the rows that are as guessed"],
  [/insert into mnemosync\.memory_versions/, "write the rows"],
  [/version_floors\s+where/, "read version floors"],
  [/for update/, "lock rows"],
];

function statementName(text: string): string {
  const found = STATEMENTS.find(([pattern]) => pattern.test(text));
  if (found === undefined) return text.trim().replaceAll(/\s+/g, " ").slice(0, 60);
  return found[1] === "" ? (text.trim().split(/\s/)[0] ?? "").toUpperCase() : found[1];
}

/** What one connection to PostgreSQL says, both ways: as much of its protocol as a trace needs. */
export class PostgresWire {
  readonly #names = new Map<string, string>();
  #hasStarted = false;
  #left = Buffer.alloc(0);
  #unsent = Buffer.alloc(0);

  /**
   * @returns the statements in what is sent, and how many ends of a command are to come back. A message of which only the beginning is
   *   sent counts once its end is.
   */
  sent(bytes: Buffer): { what: string; answers: number } {
    if (!this.#hasStarted) {
      this.#hasStarted = true; // The first message has no type.
      return { what: "start", answers: 1 };
    }
    const all = this.#unsent.length === 0 ? bytes : Buffer.concat([this.#unsent, bytes]);
    const statements: string[] = [];
    let answers = 0;
    let at = 0;
    for (let next = 0; at + 5 <= all.length; at = next) {
      next = at + 1 + all.readInt32BE(at + 1);
      if (next > all.length) break;
      const type = String.fromCharCode(all[at] as number);
      const [first, second] = textsOf(all, at + 5);
      if (type === "P") this.#names.set(first, statementName(second));
      else if (type === "B") statements.push(this.#names.get(second) ?? "a statement");
      else if (type === "Q") statements.push(statementName(first));
      if (type === "S" || type === "Q") answers++;
    }
    this.#unsent = Buffer.from(all.subarray(at));
    return { what: statements.join("; ") || "protocol", answers };
  }

  /** @returns how many commands have ended. */
  received(bytes: Buffer): number {
    const all = this.#left.length === 0 ? bytes : Buffer.concat([this.#left, bytes]);
    let ended = 0;
    let at = 0;
    while (at + 5 <= all.length) {
      const next = at + 1 + all.readInt32BE(at + 1);
      if (next > all.length) break;
      if (all[at] === READY_FOR_QUERY) ended++;
      at = next;
    }
    this.#left = Buffer.from(all.subarray(at));
    return ended;
  }
}

const READY_FOR_QUERY = "Z".charCodeAt(0);

/** The first two texts of a message, each ended by a zero. */
function textsOf(bytes: Buffer, start: number): [string, string] {
  const end = bytes.indexOf(0, start);
  const next = bytes.indexOf(0, end + 1);
  return [bytes.toString("utf8", start, end), bytes.toString("utf8", end + 1, next)];
}
