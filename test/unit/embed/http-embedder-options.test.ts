import { describe, expect, test } from "vitest";
import { ConfigurationError } from "../../../src/domain/errors.ts";
import { type HttpEmbedderOptions, parseHttpEmbedderOptions } from "../../../src/embed/http-embedder-options.ts";

const valid: HttpEmbedderOptions = { url: "https://embed.example", model: "m", dimension: 8 };

test("everything but url, model and dimension has a default", () => {
  expect(parseHttpEmbedderOptions(valid)).toMatchObject({
    batchSizeMax: 64,
    batchLengthMax: 200_000,
    concurrency: 2,
    timeoutMs: 30_000,
    retriesMax: 3,
    sendDimension: false,
  });
});

test.each([
  ["https://embed.example", "https://embed.example/v1/embeddings"],
  ["https://embed.example/v1", "https://embed.example/v1/embeddings"],
  ["https://embed.example/openai/v1/", "https://embed.example/openai/v1/embeddings"],
  ["https://embed.example/v1/embeddings", "https://embed.example/v1/embeddings"],
  ["http://127.0.0.1:8080/embed", "http://127.0.0.1:8080/embed"],
  ["https://embed.example/d/x/embeddings?api-version=1", "https://embed.example/d/x/embeddings?api-version=1"],
])("url %s asks %s", (url, expected) => {
  expect(parseHttpEmbedderOptions({ ...valid, url }).url.href).toBe(expected);
});

describe("refused, by name and without quoting secrets", () => {
  test.each<[string, Partial<HttpEmbedderOptions>]>([
    ["url", { url: "embed.example/secret" }],
    ["url", { url: "file:///secret" }],
    ["url", { url: "https://user:secret@embed.example" }],
    ["apiKey", { apiKey: "secret\n" }],
    ["apiKey", { apiKey: "" }],
    ["apiKey", { apiKey: "sécret" }],
    ["model", { model: "" }],
    ["dimension", { dimension: 0 }],
    ["batchSizeMax", { batchSizeMax: 2049 }],
    ["concurrency", { concurrency: 0 }],
    ["timeoutMs", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["retriesMax", { retriesMax: -1 }],
  ])("%s: %j", (name, change) => {
    const parse = () => parseHttpEmbedderOptions({ ...valid, ...change });
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(new RegExp(`^${name}: (?!.*s[eé]cret)`));
  });
});
