import type { Readable, Writable } from "node:stream";

/**
 * Sends `bytes` as the data of a COPY FROM STDIN, and resolves once the driver's stream has taken all of them.
 *
 * Works around two behaviours of postgres.js:
 * - When the server refuses the COPY after the last byte, the stream never finishes. So this does not wait for its end: the
 *   next statement of the transaction reports the refusal.
 * - `destroy` sends CopyFail, which Node also calls for a stream that finished well, and which then hits the next COPY on
 *   the connection. So `_destroy` is replaced by one that sends nothing.
 */
export function sendCopyData(stream: Writable, bytes: Uint8Array): Promise<void> {
  stream._destroy = (error, done) => done(error);
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.write(bytes, (error) => {
      if (error) return reject(error);
      stream.end();
      resolve();
    });
  });
}

/**
 * The chunks of a COPY TO STDOUT.
 *
 * Works around postgres.js, which pauses its socket while the stream is full, until the stream asks for more. A stream that
 * has ended meanwhile never asks, and every later statement on the connection would wait for ever. So `_read` is called
 * once more at the end, which resumes the socket.
 */
export function receiveCopyData(stream: Readable): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      stream._read(0);
      resolve(chunks);
    });
  });
}
