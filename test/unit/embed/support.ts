import { createHash } from "node:crypto";
import type { Embedder } from "../../../src/embed/embedder.ts";

const NEVER = new AbortController().signal;

/** Words, contractions, marks, digits, Chinese, Japanese, Thai, an emoji, a flag; some words twice. */
export const PINNED_TEXT =
  "Ngozi's fiancé doesn't mind: 3 GPUs搭載 早餐是豆浆 ภาษาไทย 🎉🇨🇱 — the ferry, the FERRY and the ﬁsh of 1953.";

export async function one(embedder: Embedder, text: string): Promise<Float32Array> {
  const [vector] = await embedder.embed([text], NEVER);
  return vector!;
}

export function sha256(vector: Float32Array): string {
  return createHash("sha256").update(littleEndian(vector)).digest("hex");
}

function littleEndian(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes;
}

export function norm(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** Indexes of `texts`, the most alike to `query` first. */
export async function rank(embedder: Embedder, query: string, texts: readonly string[]): Promise<number[]> {
  const [asked, ...vectors] = await embedder.embed([query, ...texts], NEVER);
  const scores = vectors.map((vector) => cosine(asked!, vector));
  return texts.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]!);
}
