import postgres from "postgres";

/** What the server answered to one statement. */
export interface StatementAnswer {
  /** Each row as the bytes of its columns, in binary form; null for null. */
  readonly rows: readonly (readonly (Buffer | null)[])[];
  /** Rows that were written or read. */
  readonly count: number;
}

const TYPE = {
  parseComplete: 0x31, // 1
  bindComplete: 0x32, // 2
  notification: 0x41, // A
  commandComplete: 0x43, // C
  dataRow: 0x44, // D
  error: 0x45, // E
  copyIn: 0x47, // G
  notice: 0x4e, // N
  parameter: 0x53, // S
  ready: 0x5a, // Z
} as const;

/** Type and length, with which each message begins. */
const HEAD_BYTES = 5;

/** Names of the fields of an error, as the driver has them. */
const ERROR_FIELDS: Readonly<Record<string, string>> = {
  S: "severity_local",
  V: "severity",
  C: "code",
  M: "message",
  D: "detail",
  H: "hint",
  P: "position",
  W: "where",
  s: "schema_name",
  t: "table_name",
  c: "column_name",
  n: "constraint_name",
  F: "file",
  L: "line",
  R: "routine",
};

/** Reads the server's answers to one flight, up to its end. */
export class FlightAnswers {
  /** Of the statements that have ended well, in order. */
  readonly all: StatementAnswer[] = [];
  /** The first error; null: none so far. */
  failure: Error | null = null;
  /** How many statements the server has prepared. */
  prepared = 0;
  readonly #toDriver: (message: Buffer) => void;
  #rows: (readonly (Buffer | null)[])[] = [];
  /** What has arrived of a message that is not whole yet; empty: nothing. */
  #left: Buffer[] = [];
  #leftBytes = 0;
  /** Bytes that the message has, as far as its head is there. */
  #wantedBytes = 0;

  /** @param toDriver is given what the server says of its own accord, message by message. */
  constructor(toDriver: (message: Buffer) => void) {
    this.#toDriver = toDriver;
  }

  /**
   * Reads what has arrived. @returns the bytes behind the flight's end; null: the end has not come yet.
   * @throws {TypeError} a message that no flight is answered with.
   */
  read(bytes: Buffer): Buffer | null {
    let all = bytes;
    if (this.#leftBytes > 0) {
      this.#left.push(bytes);
      this.#leftBytes += bytes.byteLength;
      // A long row comes in many pieces: they are put together once, when the last one is here.
      if (this.#leftBytes < this.#wantedBytes) return null;
      all = Buffer.concat(this.#left, this.#leftBytes);
    }
    let at = 0;
    this.#wantedBytes = HEAD_BYTES;
    while (at + HEAD_BYTES <= all.byteLength) {
      const end = at + 1 + all.readInt32BE(at + 1);
      if (end > all.byteLength) {
        this.#wantedBytes = end - at;
        break;
      }
      const type = all[at] as number;
      if (type === TYPE.ready) return all.subarray(end);
      this.#take(type, all, at, end);
      at = end;
    }
    this.#leftBytes = all.byteLength - at;
    this.#left = this.#leftBytes === 0 ? [] : [all.subarray(at)];
    return null;
  }

  #take(type: number, all: Buffer, at: number, end: number): void {
    switch (type) {
      case TYPE.parseComplete:
        this.prepared++;
        return;
      case TYPE.bindComplete:
      case TYPE.copyIn:
        return;
      case TYPE.dataRow:
        this.#rows.push(columnsOf(all, at + 5));
        return;
      case TYPE.commandComplete:
        this.all.push({ rows: this.#rows, count: countOf(all, end) });
        this.#rows = [];
        return;
      case TYPE.error:
        this.failure ??= errorOf(all.subarray(at + 5, end));
        return;
      case TYPE.notice:
      case TYPE.notification:
      case TYPE.parameter:
        this.#toDriver(all.subarray(at, end));
        return;
      default:
        throw new TypeError(
          `PostgreSQL sent message ${JSON.stringify(String.fromCharCode(type))} in answer to a flight`,
        );
    }
  }
}

function columnsOf(all: Buffer, start: number): (Buffer | null)[] {
  const columns = new Array<Buffer | null>(all.readInt16BE(start));
  let at = start + 2;
  for (let index = 0; index < columns.length; index++) {
    const length = all.readInt32BE(at);
    at += 4;
    columns[index] = length < 0 ? null : all.subarray(at, at + length);
    if (length > 0) at += length;
  }
  return columns;
}

/** The number at the end of a command's tag, such as `COPY 5` and `INSERT 0 1`; 0 where there is none. */
function countOf(all: Buffer, end: number): number {
  let count = 0;
  let unit = 1;
  // The tag ends with a zero.
  for (let at = end - 2; at > 0; at--) {
    const digit = (all[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    count += digit * unit;
    unit *= 10;
  }
  return count;
}

/** The error as the driver would have made it. */
function errorOf(body: Buffer): Error {
  const fields: Record<string, string> = {};
  for (let at = 0; at < body.byteLength && body[at] !== 0; ) {
    const end = body.indexOf(0, at);
    const name = ERROR_FIELDS[String.fromCharCode(body[at] as number)];
    if (name !== undefined) fields[name] = body.toString("utf8", at + 1, end);
    at = end + 1;
  }
  const PostgresError = postgres.PostgresError as unknown as new (fields: Record<string, string>) => Error;
  return new PostgresError(fields);
}
