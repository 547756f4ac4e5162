/** One server-sent event. */
export interface StreamEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: unknown;
}

/** Characters of one event at most: what is longer is no event of the service. */
const EVENT_LENGTH_MAX = 8_388_608;

/**
 * Reads server-sent events off an answer of `fetch`. `EventSource` could not send the key but in the address.
 * @throws {RangeError} An event is longer than 8 MiB. @throws {SyntaxError} Its data is no JSON.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      // What was there had no end of an event, but may have had half of one.
      const fresh = Math.max(0, text.length - 1);
      text += value;
      for (let end = text.indexOf("\n\n", fresh); end >= 0; end = text.indexOf("\n\n")) {
        const event = parseEvent(text.slice(0, end));
        text = text.slice(end + 2);
        if (event !== null) yield event;
      }
      if (text.length > EVENT_LENGTH_MAX) throw new RangeError("an event of the stream is too long");
    }
  } finally {
    // The reader may have failed already: then there is nothing to cancel, and its failure has been thrown.
    await reader.cancel().then(undefined, () => undefined);
  }
}

/** Null: a comment, which keeps the connection open. */
function parseEvent(frame: string): StreamEvent | null {
  let event = "message";
  let id: string | null = null;
  const data: string[] = [];
  for (const line of frame.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
  }
  return data.length === 0 ? null : { event, id, data: JSON.parse(data.join("\n")) as unknown };
}
