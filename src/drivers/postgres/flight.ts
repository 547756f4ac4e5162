import type { Turns } from "../../runtime/turns.ts";
import type { WireBuffers } from "../../runtime/wire-buffers.ts";
import { BinaryValues } from "./binary-values.ts";

/** OIDs of the types of parameters; those of PostgreSQL's own types never change. */
export const OID = {
  boolean: 16,
  bytea: 17,
  int8: 20,
  int4: 23,
  text: 25,
  json: 114,
  float8: 701,
  timestamptz: 1184,
  jsonb: 3802,
  jsonArray: 199,
  booleanArray: 1000,
  byteaArray: 1001,
  int4Array: 1007,
  textArray: 1009,
  int8Array: 1016,
  float8Array: 1022,
  timestamptzArray: 1185,
  jsonbArray: 3807,
} as const;

/** A statement that flights send. It is prepared once per connection, under its name. */
export interface FlightStatement {
  /**
   * Unlike that of every other statement. Empty: it is parsed in each flight, which has one such statement at most, and planned for its
   * parameters and for the tables as they are by then. A prepared one keeps a plan that was made when they may have been empty.
   */
  readonly name: string;
  readonly text: string;
  /** OIDs of the parameters, in order. */
  readonly types: readonly number[];
}

/** The beginning of COPY's binary format. */
export const COPY_HEADER: Uint8Array = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");

const PARSE = 0x50; // P
const BIND = 0x42; // B
const COPY_DATA = 0x64; // d
/** The unnamed portal, all of its rows. */
const EXECUTE = Buffer.from("E\0\0\0\x09\0\0\0\0\0", "latin1");
const COPY_DONE = Buffer.from("c\0\0\0\x04", "latin1");
const SYNC = Buffer.from("S\0\0\0\x04", "latin1");
/** One format for all of them: binary. */
const ALL_BINARY = Buffer.from("\0\x01\0\x01", "latin1");

/**
 * Messages of PostgreSQL's extended protocol that are sent together and answered together: statements with binary
 * parameters, and COPYs with their rows. The server executes them in order. After one that fails it skips all others, the
 * rows of a COPY included, up to the end of the flight.
 *
 * postgres.js sends text parameters only, and the rows of a COPY once the server has asked for them: three round trips for
 * a transaction that copies into two tables. The protocol lets a client send them at once.
 */
export class Flight extends BinaryValues {
  /** Names of the statements that it prepares, in order. */
  readonly prepares: readonly string[];
  #statements = 0;

  /**
   * @param prepared names of the statements that are prepared on the connection.
   * @param statements all that will be executed: those that are not prepared are prepared first, before anything runs.
   * @param bytesExpected room that is made at first.
   */
  constructor(
    memory: WireBuffers,
    prepared: ReadonlySet<string>,
    statements: readonly FlightStatement[],
    bytesExpected: number,
  ) {
    super(memory, bytesExpected);
    const prepares: string[] = [];
    for (const statement of statements) {
      if (prepared.has(statement.name) || prepares.includes(statement.name)) continue;
      prepares.push(statement.name);
      this.#parse(statement);
    }
    this.prepares = prepares;
  }

  /** How many statements are executed, each of which has an answer. */
  get statements(): number {
    return this.#statements;
  }

  /** Executes a statement. @param values writes its parameters, in order, each as a value. */
  execute({ name, types }: FlightStatement, values?: (values: BinaryValues) => void): void {
    const start = this.#beginBind({ name, types });
    values?.(this);
    this.#endBind(start);
  }

  /** `execute` with many parameters, or large ones. Nothing else may be added until it resolves. */
  async executeInTurns(
    { name, types }: FlightStatement,
    values: (values: BinaryValues) => Promise<void>,
  ): Promise<void> {
    const start = this.#beginBind({ name, types });
    await values(this);
    this.#endBind(start);
  }

  /** Executes a `copy … from stdin (format binary)`. @param rows writes them, each beginning with `row`. */
  copy(statement: FlightStatement, rows: (values: BinaryValues) => void): void {
    const start = this.#beginCopy(statement);
    rows(this);
    this.#endCopy(start);
  }

  /**
   * `copy` of many rows, over several turns of the event loop where that takes longer than some milliseconds. Nothing else may be
   * added until it resolves. @param row writes the one of an item, beginning with `row`.
   */
  async copyInTurns<T>(
    statement: FlightStatement,
    items: readonly T[],
    turns: Turns,
    row: (item: T, values: BinaryValues) => void,
  ): Promise<void> {
    const start = this.#beginCopy(statement);
    await this.eachInTurns(items, turns, (item) => row(item, this));
    this.#endCopy(start);
  }

  /** All of it, ended by a Sync. Nothing may be added any more. */
  close(): Buffer {
    this.raw(SYNC);
    return this.bytes.subarray(0, this.at);
  }

  #beginBind({ name, types }: Pick<FlightStatement, "name" | "types">): number {
    const start = this.#begin(BIND);
    this.#zeroEnded("");
    this.#zeroEnded(name);
    this.raw(ALL_BINARY);
    this.row(types.length);
    return start;
  }

  #endBind(start: number): void {
    this.raw(ALL_BINARY);
    this.#end(start);
    this.raw(EXECUTE);
    this.#statements++;
  }

  #beginCopy(statement: FlightStatement): number {
    this.execute(statement);
    const start = this.#begin(COPY_DATA);
    this.raw(COPY_HEADER);
    return start;
  }

  #endCopy(start: number): void {
    this.row(-1);
    this.#end(start);
    this.raw(COPY_DONE);
  }

  #parse({ name, text, types }: FlightStatement): void {
    const start = this.#begin(PARSE);
    this.#zeroEnded(name);
    this.#zeroEnded(text);
    this.row(types.length);
    this.reserve(types.length * 4);
    for (const type of types) this.at = this.bytes.writeInt32BE(type, this.at);
    this.#end(start);
  }

  /** @returns the place of the message's length, which `#end` fills in. */
  #begin(type: number): number {
    this.reserve(5);
    this.bytes[this.at] = type;
    this.at += 5;
    return this.at - 4;
  }

  #end(start: number): void {
    this.bytes.writeInt32BE(this.at - start, start);
  }

  #zeroEnded(text: string): void {
    this.reserve(text.length * 3 + 1);
    this.at += this.bytes.write(text, this.at, "utf8");
    this.bytes[this.at++] = 0;
  }
}
