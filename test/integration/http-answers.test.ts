import { expect, test } from "vitest";
import { AnswerRoom } from "../../src/http/answer-room.ts";
import { openService } from "../support/http-service.ts";

/** Goal: a small request cannot make the service hold a large answer. Method: memories of a mebibyte, and requests for all of them. */

const CONTENT = "x".repeat(1_000_000);
const MANY = 36;
const PATH = "/v1/namespaces/default/memories";

test("requests for more than an answer may have are refused, and those for less are answered", async (t) => {
  const service = await openService(t);
  const batch = (start: number) =>
    service.request("POST", "/v1/namespaces/default/batch", {
      body: {
        memories: Array.from({ length: MANY / 3 }, (_, number) => ({
          ...{ memoryId: `m${start + number}`, content: CONTENT, memoryType: "episodic" },
          embedding: [1, 0, 0, 0, 0, 0, 0, 0],
        })),
      },
    });
  for (let start = 0; start < MANY; start += MANY / 3) expect((await batch(start)).statusCode).toBe(200);
  const ids = Array.from({ length: MANY }, (_, number) => `m${number}`);
  const requests = {
    many: (count: number) => service.request("POST", `${PATH}/get`, { body: { memoryIds: ids.slice(0, count) } }),
    search: (k: number) =>
      service.request("POST", "/v1/namespaces/default/search", { body: { vector: [1, 0, 0, 0, 0, 0, 0, 0], k } }),
  };
  for (const [name, request] of Object.entries(requests)) {
    const large = await request(MANY);
    expect([name, large.statusCode, large.json().code]).toEqual([name, 422, "ANSWER_TOO_LARGE"]);
    const fitting = await request(3);
    expect([name, fitting.statusCode]).toEqual([name, 200]);
    const [list] = Object.values(fitting.json() as Record<string, unknown[]>);
    expect(list).toHaveLength(3);
  }
  // A page ends by itself, with a cursor.
  const page = (await service.request("GET", `${PATH}?limit=${MANY}`)).json();
  expect(page.memories.length).toBeLessThan(10);
  expect(page.cursor).not.toBeNull();
  // All room is given back.
  expect((await requests.many(20)).statusCode).toBe(200);
});

test("answers of one key leave room for those of others, and a released one gives its room back", () => {
  const room = new AnswerRoom();
  const [first, second, other] = [room.place("one"), room.place("one"), room.place("two")];
  const mebibytes = (count: number): number => count * 1_048_576;
  first.onBytes(mebibytes(20));
  expect(() => first.onBytes(mebibytes(13))).toThrow(/more than 33554432 bytes/);
  expect(() => second.onBytes(mebibytes(13))).toThrow(/as many large answers as it can hold/);
  other.onBytes(mebibytes(20));
  first.release();
  second.onBytes(mebibytes(13));
  expect(() => second.onBytes(mebibytes(20))).toThrow();
  second.release();
  other.release();
  expect(room.bytes).toBe(0);
});
