import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { type FlightStatement, OID } from "../../../src/drivers/postgres/flight.ts";
import { FlightChannel } from "../../../src/drivers/postgres/flight-channel.ts";
import { ownTurn, Turns } from "../../../src/runtime/turns.ts";

/**
 * Goal: a large flight is encoded and written over several turns of the event loop, its bytes are those of one that is not, and no end of
 * its connection meanwhile goes unnoticed. Method: a socket that notes what is written to it, and clocks on which each turn is used up.
 */

const STATEMENT: FlightStatement = { name: "s", text: "select 1", types: [OID.textArray] };
const COPY: FlightStatement = { name: "c", text: "copy t from stdin (format binary)", types: [] };

/** The server's answers to both. */
const PARSED = Buffer.from("1\0\0\0\x04", "latin1");
const BOUND = Buffer.from("2\0\0\0\x04", "latin1");
const DONE = Buffer.from("C\0\0\0\x0dSELECT 1\0", "latin1");
const READY = Buffer.from("Z\0\0\0\x05I", "latin1");
const ANSWER = Buffer.concat([PARSED, PARSED, BOUND, DONE, BOUND, DONE, READY]);

class NotingSocket extends EventEmitter {
  readonly written: Buffer[] = [];
  readonly #turns: number[] = [];
  #turn = 0;
  #immediate = setImmediate(() => this.#next());
  isDestroyed = false;

  write(bytes: Buffer, callback?: () => void): boolean {
    // Once it is called, the memory of these bytes may be used again.
    this.written.push(Buffer.from(bytes));
    this.#turns.push(this.#turn);
    if (callback !== undefined) setImmediate(callback);
    return true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  /** In how many turns something was written. */
  get turns(): number {
    return new Set(this.#turns).size;
  }

  end(): void {
    clearImmediate(this.#immediate);
  }

  #next(): void {
    this.#turn++;
    this.#immediate = setImmediate(() => this.#next());
  }
}

function channelOn() {
  const socket = new NotingSocket();
  socket.on("data", () => undefined); // The driver's.
  const channel = FlightChannel.over(socket as unknown as Socket) as FlightChannel;
  return { socket, channel };
}

const ROWS = Array.from({ length: 3_000 }, (_, at) => `row ${at} ${"long ".repeat(at % 400)}`);

async function largeFlight(channel: FlightChannel, turns: Turns) {
  const flight = channel.begin([STATEMENT, COPY], 64);
  await flight.executeInTurns(STATEMENT, (values) =>
    values.arrayInTurns(OID.text, ROWS, turns, (text) => values.text(text)),
  );
  await flight.copyInTurns(COPY, ROWS, turns, (text, values) => {
    values.row(1);
    values.text(text);
  });
  return flight;
}

function atOnce(channel: FlightChannel) {
  const flight = channel.begin([STATEMENT, COPY], 64);
  flight.execute(STATEMENT, (values) => values.array(OID.text, ROWS, (text) => values.text(text)));
  flight.copy(COPY, (values) => {
    for (const text of ROWS) {
      values.row(1);
      values.text(text);
    }
  });
  return flight;
}

test("what is encoded in many turns is byte for byte what is encoded in one", async () => {
  const { socket, channel } = channelOn();
  let clock = 0;
  const flight = await largeFlight(channel, new Turns(() => (clock += 10)));
  expect(flight.close().equals(atOnce(channel).close())).toBe(true);
  socket.end();
});

test("few and small parameters take no turn of the event loop", async () => {
  const { socket, channel } = channelOn();
  let turned = false;
  const immediate = setImmediate(() => (turned = true));
  const turns = new Turns();
  const flight = channel.begin([STATEMENT, COPY], 64);
  await flight.executeInTurns(STATEMENT, (values) =>
    values.arrayInTurns(OID.text, ["a"], turns, (text) => values.text(text)),
  );
  await flight.copyInTurns(COPY, ["a"], turns, (_, values) => values.row(0));
  void channel.send(flight).catch(() => undefined);
  expect(socket.written).toHaveLength(1);
  expect(turned).toBe(false);
  clearImmediate(immediate);
  socket.end();
});

test("a large flight is written in pieces, in a turn each, and answered once it is whole", async () => {
  const { socket, channel } = channelOn();
  const flight = atOnce(channel);
  const whole = Buffer.from(flight.close());
  const sent = channel.send(atOnce(channel));
  const pieces = Math.ceil(whole.byteLength / (768 * 1024));
  expect(pieces).toBeGreaterThan(3);
  expect(socket.written).toHaveLength(1);
  while (socket.written.length < pieces) await ownTurn();
  expect(socket.turns).toBeGreaterThanOrEqual(pieces - 1);
  expect(Buffer.concat(socket.written).equals(whole)).toBe(true);
  socket.emit("data", ANSWER);
  expect(await sent).toHaveLength(2);
  socket.end();
});

test("a connection that is lost between two pieces rejects the flight, and nothing more is written", async () => {
  const { socket, channel } = channelOn();
  const sent = channel.send(atOnce(channel));
  const reason = Object.assign(new Error("write CONNECTION_CLOSED"), { code: "CONNECTION_CLOSED" });
  channel.lose(reason);
  await expect(sent).rejects.toBe(reason);
  for (let turn = 0; turn < 10; turn++) await ownTurn();
  expect(socket.written).toHaveLength(1);
  await expect(channel.send(atOnce(channel))).rejects.toBe(reason);
  expect(socket.written).toHaveLength(1);
  socket.end();
});

test("an error that the server tells between two pieces is told at the end of the flight, all of which was written", async () => {
  const { socket, channel } = channelOn();
  const flight = atOnce(channel);
  const bytes = flight.close().byteLength;
  const sent = channel.send(flight);
  const fields = Buffer.from("SERROR\0VERROR\0C23505\0Mduplicate\0\0", "latin1");
  const error = Buffer.concat([Buffer.from("E\0\0\0\0", "latin1"), fields]);
  error.writeInt32BE(4 + fields.byteLength, 1);
  let isSettled = false;
  const settled = sent.catch((reason: unknown) => reason).finally(() => (isSettled = true));
  socket.emit("data", Buffer.concat([PARSED, PARSED, BOUND, error]));
  while (Buffer.concat(socket.written).byteLength < bytes) await ownTurn();
  expect(isSettled).toBe(false);
  socket.emit("data", READY);
  expect(await settled).toMatchObject({ code: "23505" });
  socket.end();
});
