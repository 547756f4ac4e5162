import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { urgentTurn } from "../../runtime/turns.ts";
import { WireBuffers } from "../../runtime/wire-buffers.ts";
import { Flight, type FlightStatement } from "./flight.ts";
import { FlightAnswers, type StatementAnswer } from "./flight-answers.ts";

/** Memory of flights: all connections share it. */
const memory = new WireBuffers();

/** Bytes given to the socket in one turn of the event loop: the system copies them at once, some 2 ms for a megabyte. */
const PIECE_BYTES = 768 * 1024;

interface Sending {
  readonly flight: Flight;
  readonly answers: FlightAnswers;
  resolve(answers: readonly StatementAnswer[]): void;
  reject(error: Error): void;
}

/**
 * Sends flights over the socket of a driver's connection, between two statements of the driver.
 *
 * While a flight is under way, its answers are read here in place of the driver; what the server tells of its own accord
 * (notices, notifications, parameters) goes on to the driver. The driver knows nothing of it: for the driver the connection
 * was idle. So each statement of the driver must have its answer before a flight is sent, and the other way round, as
 * within the work on one leased connection that awaits each step.
 */
export class FlightChannel {
  readonly #socket: Socket;
  readonly #prepared = new Set<string>();
  #driver: ((bytes: Buffer) => void) | null = null;
  #sending: Sending | null = null;
  #lost: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A channel over the socket of an open connection; undefined for TLS, over which the driver sends all statements itself. */
  static over(socket: Socket): FlightChannel | undefined {
    return socket instanceof TLSSocket ? undefined : new FlightChannel(socket);
  }

  /** A flight of this connection. @param bytesExpected room that is made at first; more is made as it is needed. */
  begin(statements: readonly FlightStatement[], bytesExpected = 1_024): Flight {
    return new Flight(memory, this.#prepared, statements, bytesExpected);
  }

  /**
   * Sends a flight. @returns one answer per statement, in order.
   * @throws the server's error, as the driver has it: of the first statement that failed.
   * @throws an error with the code CONNECTION_CLOSED: what was sent may or may not have happened.
   */
  send(flight: Flight): Promise<readonly StatementAnswer[]> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost);
      if (this.#sending !== null) return reject(new TypeError("another flight is under way on this connection"));
      const [driver] = this.#socket.listeners("data") as ((bytes: Buffer) => void)[];
      if (driver === undefined) return reject(new TypeError("the driver does not read the connection"));
      this.#driver = driver;
      this.#sending = { flight, answers: new FlightAnswers(driver), resolve, reject };
      this.#socket.on("data", this.#receive);
      this.#socket.off("data", driver);
      void this.#write(this.#sending, flight.close());
    });
  }

  /** Writes all pieces but the first in turns of their own. */
  async #write(sending: Sending, bytes: Buffer): Promise<void> {
    let at = 0;
    for (; at + PIECE_BYTES < bytes.byteLength; at += PIECE_BYTES) {
      this.#socket.write(bytes.subarray(at, at + PIECE_BYTES));
      await urgentTurn();
      // Lost meanwhile. What was written may still be read, so its memory is not used again.
      if (this.#sending !== sending) return;
    }
    this.#socket.write(bytes.subarray(at), () => sending.flight.release());
  }

  /** The connection is lost: its owner calls it once. */
  lose(error: Error): void {
    this.#lost = error;
    const sending = this.#sending;
    this.#sending = null;
    // FATAL comes before the end of its connection, and has the reason.
    sending?.reject(sending.answers.failure ?? error);
  }

  readonly #receive = (bytes: Buffer): void => {
    const sending = this.#sending;
    if (sending === null) return; // The rest of a flight whose connection is lost.
    const { flight, answers } = sending;
    let rest: Buffer | null;
    try {
      rest = answers.read(bytes);
    } catch (error) {
      // Not what a server says: nothing that follows can be told apart.
      this.#sending = null;
      this.#socket.destroy();
      sending.reject(error as Error);
      return;
    }
    if (rest === null) return;
    this.#sending = null;
    for (const name of flight.prepares.slice(0, answers.prepared)) if (name !== "") this.#prepared.add(name);
    const driver = this.#driver as (bytes: Buffer) => void;
    this.#socket.on("data", driver);
    this.#socket.off("data", this.#receive);
    if (rest.byteLength > 0) driver(rest);
    const { failure } = answers;
    if (failure !== null) sending.reject(failure);
    else if (answers.all.length === flight.statements) sending.resolve(answers.all);
    else sending.reject(new TypeError(`${answers.all.length} answers for ${flight.statements} statements`));
  };
}
