import { benchText, benchVector } from "../support/dataset.ts";

/** Numbers of a vector: small, so that a document has the 430 bytes that replication benchmarks are quoted for. */
export const DIMENSION = 16;

/** Document number `number`: the same for every contender. */
export interface EdgeDocument {
  readonly content: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly metadata: Record<string, string | number>;
  readonly embedding: Float32Array;
}

export function edgeDocument(number: number): EdgeDocument {
  const content = benchText(number, 0);
  const conversation = `conversation-${number % 1_000}`;
  return {
    content,
    memoryType: "episodic",
    importance: (number % 100) / 100,
    metadata: { conversation, turn: number % 40, source: "assistant" },
    embedding: benchVector(content, DIMENSION),
  };
}

export function idOf(number: number): string {
  return `memory-${String(number).padStart(7, "0")}`;
}

/** As document databases are given it: the vector as text. */
export function plainDocument(number: number): Record<string, unknown> & { _id: string } {
  const { embedding, ...document } = edgeDocument(number);
  const vector = Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength).toString("base64");
  return { _id: idOf(number), ...document, embedding: vector };
}

/** Bytes of a document as JSON, on average. */
export function documentBytes(): number {
  const count = 100;
  const sum = Array.from({ length: count }, (_, number) => JSON.stringify(plainDocument(number)).length);
  return Math.round(sum.reduce((total, bytes) => total + bytes, 0) / count);
}
