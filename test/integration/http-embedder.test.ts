import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, onTestFinished, test } from "vitest";
import { AbortedError, EmbeddingError } from "../../src/domain/errors.ts";
import { HttpEmbedder } from "../../src/embed/http-embedder.ts";
import type { HttpEmbedderOptions } from "../../src/embed/http-embedder-options.ts";

const NEVER = new AbortController().signal;

const API_KEY = 'sk-test-"not/for\\logs';

interface EmbeddingRequest {
  readonly headers: IncomingMessage["headers"];
  readonly path: string | undefined;
  readonly body: { model: string; input: string[]; encoding_format: string; dimensions?: number };
}

/** Answers one request; `request.count` is 1 for the first. */
type Handler = (request: EmbeddingRequest & { count: number }, response: ServerResponse) => void | Promise<void>;

describe("requests", () => {
  test("carry model, texts, format and key, and the vectors come back in order", async () => {
    const endpoint = await startEndpoint(answerVectors);
    const vectors = await endpoint.embedder({ apiKey: API_KEY }).embed(["a", "bb", "ccc"], NEVER);
    expect(vectors).toEqual([vectorOf("a"), vectorOf("bb"), vectorOf("ccc")]);
    expect(endpoint.requests).toHaveLength(1);
    expect(endpoint.requests[0]).toMatchObject({
      path: "/v1/embeddings",
      headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
      body: { model: "test-model", input: ["a", "bb", "ccc"], encoding_format: "float" },
    });
    expect(endpoint.requests[0]!.body).not.toHaveProperty("dimensions");
  });

  test("carry no key when there is none, and the dimension when asked to", async () => {
    const endpoint = await startEndpoint(answerVectors);
    await endpoint.embedder({ sendDimension: true }).embed(["a"], NEVER);
    expect(endpoint.requests[0]!.headers).not.toHaveProperty("authorization");
    expect(endpoint.requests[0]!.body.dimensions).toBe(3);
  });

  test("are cut by number and by length, and put together again by index", async () => {
    const endpoint = await startEndpoint(answerVectors);
    const texts = Array.from({ length: 25 }, (_, index) => "x".repeat(index + 1));
    const vectors = await endpoint.embedder({ batchSizeMax: 8, batchLengthMax: 100 }).embed(texts, NEVER);
    expect(vectors).toEqual(texts.map(vectorOf));
    const batches = endpoint.requests.map(({ body }) => body.input);
    expect(batches.flat().sort((a, b) => a.length - b.length)).toEqual(texts);
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(8);
      expect(batch.join("").length).toBeLessThanOrEqual(100);
    }
  });

  test("hold a text that is too long for its batch alone", async () => {
    const endpoint = await startEndpoint(answerVectors);
    await endpoint.embedder({ batchLengthMax: 3 }).embed(["a", "four", "b", "c"], NEVER);
    const batches = endpoint.requests.map(({ body }) => body.input.join());
    expect(batches.sort()).toEqual(["a", "b,c", "four"]);
  });

  test("never exceed the concurrency, over several calls", async () => {
    let running = 0;
    let runningMax = 0;
    const endpoint = await startEndpoint(async (request, response) => {
      runningMax = Math.max(runningMax, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      answerVectors(request, response);
    });
    const embedder = endpoint.embedder({ batchSizeMax: 1, concurrency: 3 });
    await Promise.all([embedder.embed("abcdefgh".split(""), NEVER), embedder.embed("ijklmnop".split(""), NEVER)]);
    expect(endpoint.requests).toHaveLength(16);
    expect(runningMax).toBeLessThanOrEqual(3);
    expect(runningMax).toBeGreaterThan(1);
  });

  test("are not sent for nothing, and an empty text goes as a space", async () => {
    const endpoint = await startEndpoint(answerVectors);
    expect(await endpoint.embedder().embed([], NEVER)).toEqual([]);
    expect(endpoint.requests).toHaveLength(0);
    expect(await endpoint.embedder().embed([""], NEVER)).toEqual([vectorOf(" ")]);
  });
});

describe("failures that may pass are tried again", () => {
  test.each([408, 409, 425, 429, 500, 502, 503, 504])("%i", async (status) => {
    const endpoint = await startEndpoint(failing(1, status));
    expect(await endpoint.embedder().embed(["a"], NEVER)).toEqual([vectorOf("a")]);
    expect(endpoint.requests).toHaveLength(2);
    expect(endpoint.pauses).toEqual([250]); // Half of the first bound: the test's random draws 0.5.
  });

  test("with twice the bound each time, up to its maximum, and then given up", async () => {
    const endpoint = await startEndpoint(failing(99, 503, { body: "warming\n\n up" }));
    const failure = await rejection(endpoint.embedder({ retriesMax: 5, backoffMaxMs: 3000 }).embed(["a"], NEVER));
    expect(endpoint.pauses).toEqual([250, 500, 1000, 1500, 1500]);
    expect(endpoint.requests).toHaveLength(6);
    expect(failure).toBeInstanceOf(EmbeddingError);
    expect(failure).toMatchObject({ code: "EMBEDDING_FAILED", retryable: true });
    expect(failure.message).toContain("answered 503: warming up (attempt 6, the last)");
    expect(failure.message).toContain("try again later");
  });

  test.each([
    ["seconds", "7", 7000],
    ["an HTTP date", "Sun, 01 Mar 2026 12:00:09 GMT", 9000],
  ])("not before a Retry-After in %s is over", async (_, retryAfter, expectedMs) => {
    const endpoint = await startEndpoint(failing(1, 429, { retryAfter }));
    expect(await endpoint.embedder().embed(["a"], NEVER)).toEqual([vectorOf("a")]);
    expect(endpoint.pauses).toEqual([expectedMs + 250]);
  });

  test("but not when Retry-After asks for more than is allowed", async () => {
    const endpoint = await startEndpoint(failing(1, 429, { retryAfter: "3600" }));
    const failure = await rejection(endpoint.embedder().embed(["a"], NEVER));
    expect(endpoint.pauses).toEqual([]);
    expect(failure).toMatchObject({ retryable: true });
    expect(failure.message).toContain("asks to wait 3600 s, longer than retryAfterMaxMs");
  });

  test("also when the connection breaks, before the answer or in its middle", async () => {
    const endpoint = await startEndpoint((request, response) => {
      if (request.count === 1) {
        response.destroy();
      } else if (request.count === 2) {
        response.writeHead(200, { "content-type": "application/json" });
        response.write('{"data":', () => response.destroy());
      } else {
        answerVectors(request, response);
      }
    });
    expect(await endpoint.embedder().embed(["a"], NEVER)).toEqual([vectorOf("a")]);
    expect(endpoint.requests).toHaveLength(3);
  });

  test("and a host that does not answer is named in the end", async () => {
    const endpoint = await startEndpoint(answerVectors);
    await endpoint.close();
    const failure = await rejection(endpoint.embedder().embed(["a"], NEVER));
    expect(failure).toMatchObject({ retryable: true });
    expect(failure.message).toMatch(/could not be reached: .*ECONNREFUSED/);
    expect(failure.cause).toBeInstanceOf(Error);
    expect(endpoint.pauses).toHaveLength(3);
  });

  test("also after a time-out", async () => {
    const endpoint = await startEndpoint((request, response) => {
      if (request.count > 1) answerVectors(request, response);
    });
    expect(await endpoint.embedder({ timeoutMs: 1_000 }).embed(["a"], NEVER)).toEqual([vectorOf("a")]);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("the time-out covers the body, and its error says what to do", async () => {
    const endpoint = await startEndpoint((_, response) => {
      response.writeHead(200);
      response.write('{"data": [');
    });
    const failure = await rejection(endpoint.embedder({ timeoutMs: 50, retriesMax: 1 }).embed(["a"], NEVER));
    expect(failure).toBeInstanceOf(EmbeddingError);
    expect(failure).toMatchObject({ retryable: true });
    expect(failure.message).toContain("gave no answer within 50 ms (attempt 2, the last)");
    expect(failure.message).toContain("raise timeoutMs");
  });

  test("the time-out outlives the garbage collector", async () => {
    const endpoint = await startEndpoint(() => undefined);
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const collecting = setInterval(collectGarbage, 5);
    onTestFinished(() => clearInterval(collecting));
    const embedder = endpoint.embedder({ timeoutMs: 200, retriesMax: 0 });
    await expect(embedder.embed(["a"], new AbortController().signal)).rejects.toThrow("no answer within 200 ms");
  });
});

describe("failures that will not pass end the call at once", () => {
  test.each([
    [400, "check model, dimension"],
    [401, "check apiKey"],
    [403, "check apiKey"],
    [404, "check url and model"],
    [413, "lower batchSizeMax"],
    [422, "check model, dimension"],
  ])("%i", async (status, advice) => {
    const endpoint = await startEndpoint(failing(99, status, { body: `no ${"x".repeat(10_000)}` }));
    const failure = await rejection(endpoint.embedder().embed(["a"], NEVER));
    expect(failure).toBeInstanceOf(EmbeddingError);
    expect(failure).toMatchObject({ retryable: false });
    expect(failure.message).toContain(`answered ${status}: no xxx`);
    expect(failure.message).toContain(advice);
    expect(failure.message.length).toBeLessThan(600);
    expect(endpoint.requests).toHaveLength(1);
    expect(endpoint.pauses).toEqual([]);
  });

  test("a redirect is not followed", async () => {
    const endpoint = await startEndpoint((_, response) => {
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const failure = await rejection(endpoint.embedder().embed(["a"], NEVER));
    expect(failure.message).toContain("answered 307");
    expect(failure.message).toContain("set url to where the endpoint has moved");
    expect(endpoint.requests).toHaveLength(1);
  });

  test.each<[string, string, string]>([
    ["a wrong count", JSON.stringify({ data: [] }), "0 vectors for 1 texts"],
    [
      "a wrong dimension",
      JSON.stringify({ data: [{ index: 0, embedding: [1, 2] }] }),
      "2 components where dimension 3",
    ],
    ["NaN", '{"data":[{"index":0,"embedding":[NaN,1,2]}]}', "no JSON"],
    ["strings", JSON.stringify({ data: [{ index: 0, embedding: ["1", "2", "3"] }] }), "no finite float32"],
    ["a web page", "<html>Welcome</html>", "no JSON"],
    ["a flood", " ".repeat(1_100_000), "more than"],
  ])("an answer with %s", async (_, body, message) => {
    const endpoint = await startEndpoint((_request, response) => void response.writeHead(200).end(body));
    const failure = await rejection(endpoint.embedder().embed(["a"], NEVER));
    expect(failure).toBeInstanceOf(EmbeddingError);
    expect(failure).toMatchObject({ retryable: false });
    expect(failure.message).toContain("unusable answer");
    expect(failure.message).toContain(message);
    expect(endpoint.requests).toHaveLength(1);
  });

  test("and the other batches of the call with it", async () => {
    const endpoint = await startEndpoint((request, response) => {
      // The first batch hangs for ever unless it is ended from outside.
      if (request.body.input[0] !== "a") response.writeHead(400).end();
    });
    const embedder = endpoint.embedder({ batchSizeMax: 1, concurrency: 2 });
    const failure = await rejection(embedder.embed(["a", "b", "c", "d"], NEVER));
    expect(failure.message).toContain("answered 400");
    expect(endpoint.requests.length).toBeLessThanOrEqual(3);
    await endpoint.allClosed();
  });
});

describe("an abort by the caller", () => {
  test("before the call sends nothing", async () => {
    const endpoint = await startEndpoint(answerVectors);
    await expect(endpoint.embedder().embed(["a"], AbortSignal.abort())).rejects.toThrow(AbortedError);
    expect(endpoint.requests).toHaveLength(0);
  });

  test("ends the requests under way and those that wait, and later calls go on", async () => {
    const controller = new AbortController();
    const endpoint = await startEndpoint((request, response) => {
      if (request.body.input[0] === "later") return answerVectors(request, response);
      if (request.count === 2) controller.abort(new Error("enough"));
    });
    const embedder = endpoint.embedder({ batchSizeMax: 1, concurrency: 2 });
    const calls = [embedder.embed(["a", "b", "c"], controller.signal), embedder.embed(["d"], controller.signal)];
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: "ABORTED", cause: new Error("enough") });
    }
    expect(endpoint.requests).toHaveLength(2);
    await endpoint.allClosed();
    expect(await embedder.embed(["later"], NEVER)).toEqual([vectorOf("later")]);
  });

  test("ends a wait between two attempts", async () => {
    const controller = new AbortController();
    const endpoint = await startEndpoint(failing(99, 503));
    const embedder = endpoint.embedder({ pause: async () => controller.abort() });
    await expect(embedder.embed(["a"], controller.signal)).rejects.toThrow(AbortedError);
    expect(endpoint.requests).toHaveLength(1);
  });
});

describe("the key is shown nowhere", () => {
  const shown = (value: unknown) => `${inspect(value, { depth: 20, showHidden: true })}${JSON.stringify(value)}`;
  const leaks = (text: string) => /sk-test|not.*for.*logs/.test(text);

  test("in the embedder", async () => {
    const embedder = (await startEndpoint(answerVectors)).embedder({ apiKey: API_KEY });
    expect(leaks(shown(embedder))).toBe(false);
  });

  test.each<[string, string]>([
    ["as it is", `{"error": "wrong key ${API_KEY}"}`],
    ["as JSON", JSON.stringify({ error: `wrong key ${API_KEY}` })],
    ["where the excerpt is cut", `${"x".repeat(290)}${API_KEY}`],
  ])("in an error when the endpoint repeats it %s", async (_, body) => {
    const endpoint = await startEndpoint(failing(99, 401, { body }));
    const failure = await rejection(endpoint.embedder({ apiKey: API_KEY }).embed(["a"], NEVER));
    expect(failure.message).toContain("answered 401");
    expect(leaks(shown(failure))).toBe(false);
  });

  test("in an error when a successful answer repeats it", async () => {
    const endpoint = await startEndpoint((_request, response) => void response.writeHead(200).end(API_KEY));
    const failure = await rejection(endpoint.embedder({ apiKey: API_KEY }).embed(["a"], NEVER));
    expect(leaks(shown(failure))).toBe(false);
  });

  test("in an error when the caller's own fetch quotes it", async () => {
    const endpoint = await startEndpoint(answerVectors);
    const fetch = async (_url: unknown, init?: RequestInit) => {
      throw new Error(`proxy refused ${inspect(init?.headers)} ${new Headers(init?.headers).get("authorization")}`);
    };
    const failure = await rejection(endpoint.embedder({ apiKey: API_KEY, fetch, retriesMax: 0 }).embed(["a"], NEVER));
    expect(failure.message).toContain("proxy refused");
    expect(leaks(shown(failure))).toBe(false);
  });
});

/** A vector that tells its text: no two texts of a test share length and first letter. */
function vectorOf(text: string): Float32Array {
  return new Float32Array([text.length, text.charCodeAt(0), 0.5]);
}

/** What a real endpoint says, listed backwards: only `index` counts. */
function answerVectors({ body }: EmbeddingRequest, response: ServerResponse): void {
  const data = body.input.map((text, index) => ({ object: "embedding", index, embedding: [...vectorOf(text)] }));
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ object: "list", model: body.model, data: data.reverse() }));
}

function failing(times: number, status: number, answer: { body?: string; retryAfter?: string } = {}): Handler {
  return (request, response) => {
    if (request.count > times) return answerVectors(request, response);
    response.writeHead(status, answer.retryAfter === undefined ? {} : { "retry-after": answer.retryAfter });
    response.end(answer.body);
  };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => new Error("resolved"),
    (error: unknown) => error,
  );
  return outcome as Error;
}

async function startEndpoint(handler: Handler) {
  const requests: EmbeddingRequest[] = [];
  const pauses: number[] = [];
  const open = new Set<ServerResponse>();
  let onClosed: (() => void) | undefined;
  const server = createServer(async (incoming, response) => {
    open.add(response);
    response.on("close", () => {
      open.delete(response);
      onClosed?.();
    });
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as EmbeddingRequest["body"];
    const request = { headers: incoming.headers, path: incoming.url, body };
    requests.push(request);
    await handler({ ...request, count: requests.length }, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return {
    requests,
    /** Milliseconds of every wait that was asked for; none is really waited. */
    pauses,
    close,
    /** Resolves once no request is left unanswered: a client that lets go ends its requests. */
    allClosed: async () => {
      while (open.size > 0) await new Promise<void>((resolve) => (onClosed = resolve));
    },
    embedder: (options: Partial<HttpEmbedderOptions> = {}) =>
      new HttpEmbedder({
        url: `http://127.0.0.1:${port}`,
        model: "test-model",
        dimension: 3,
        random: () => 0.5,
        now: () => Date.parse("2026-03-01T12:00:00Z"),
        pause: async (milliseconds) => void pauses.push(milliseconds),
        ...options,
      }),
  };
}
