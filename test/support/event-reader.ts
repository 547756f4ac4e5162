import type { ToldChange } from "./told-change.ts";

export interface ReadEvent {
  readonly event: string;
  readonly id: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect
  readonly data: any;
}

/** A reader of server-sent events, as a browser's: it pulls, and knows the id of the last event. */
export class EventReader {
  readonly response: Response;
  lastEventId: string | null = null;
  readonly #hangUp: AbortController;
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  private constructor(response: Response, hangUp: AbortController) {
    this.response = response;
    this.#hangUp = hangUp;
    this.#chunks = (response.body as ReadableStream<Uint8Array>).getReader();
  }

  static async open(url: string, headers: Record<string, string>): Promise<EventReader> {
    const hangUp = new AbortController();
    return new EventReader(await fetch(url, { headers, signal: hangUp.signal }), hangUp);
  }

  /** The next event; null once the answer has ended. */
  async next(): Promise<ReadEvent | null> {
    while (true) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        const { done, value } = await this.#chunks.read();
        if (done) return null;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? null;
      this.lastEventId = field("id") ?? this.lastEventId;
      const data = field("data");
      if (data !== null) return { event: field("event") ?? "message", id: field("id"), data: JSON.parse(data) };
    }
  }

  /** The next `count` events. */
  async take(count: number): Promise<ReadEvent[]> {
    const events: ReadEvent[] = [];
    while (events.length < count) {
      const event = await this.next();
      if (event === null) throw new Error(`the stream ended after ${events.length} events`);
      events.push(event);
    }
    return events;
  }

  hangUp(): void {
    this.#hangUp.abort();
    this.#chunks.cancel().catch(() => undefined); // It was aborted just now.
  }
}

/** What a reader keeps of an event of `/v1/events`. */
export function toldEvent({ data, id }: ReadEvent): ToldChange {
  const { namespace, memoryId, kind, version, memory } = data;
  return { key: `${namespace}/${memoryId}`, kind, version, content: memory?.content ?? null, cursor: id ?? "" };
}
