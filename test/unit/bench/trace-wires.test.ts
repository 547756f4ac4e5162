import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { PostgresWire } from "../../../bench/trace/postgres-wire.ts";
import { RedisWire } from "../../../bench/trace/redis-wire.ts";

function message(type: string, ...texts: string[]): Buffer {
  const body = Buffer.from(texts.map((text) => `${text}\0`).join(""));
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

describe("a trace of PostgreSQL's protocol", () => {
  test("names prepared statements by what they do, also when only their name is sent again", () => {
    const wire = new PostgresWire();
    expect(wire.sent(Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]))).toEqual({ what: "start", answers: 1 });
    const parsed = Buffer.concat([
      message("P", "s1", "commit"),
      message("B", "", "s1"),
      message("E", ""),
      message("S"),
    ]);
    expect(wire.sent(parsed)).toEqual({ what: "COMMIT", answers: 1 });
    const again = Buffer.concat([message("B", "", "s1"), message("E", ""), message("S")]);
    expect(wire.sent(Buffer.concat([again, again]))).toEqual({ what: "COMMIT; COMMIT", answers: 2 });
  });

  test("a message that is sent in pieces counts with its last one", () => {
    const sent = Buffer.concat([message("P", "s1", "commit"), message("B", "", "s1"), message("S")]);
    for (let cut = 1; cut < sent.length; cut++) {
      const wire = new PostgresWire();
      wire.sent(Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]));
      const parts = [wire.sent(sent.subarray(0, cut)), wire.sent(sent.subarray(cut))];
      expect(parts.filter(({ what }) => what === "COMMIT")).toHaveLength(1);
      expect(parts.map(({ answers }) => answers)).toEqual([0, 1]);
    }
  });

  test("counts the ends of commands, also where a message arrives in two parts", () => {
    const wire = new PostgresWire();
    const answer = Buffer.concat([message("C", "COMMIT"), message("Z", ""), message("Z", "")]);
    expect(wire.received(answer.subarray(0, 14))).toBe(0);
    expect(wire.received(answer.subarray(14))).toBe(2);
  });
});

describe("a trace of Redis' protocol", () => {
  test("names scripts by their digests and other commands by themselves", () => {
    const digest = createHash("sha1").update("return 1").digest("hex");
    const wire = new RedisWire(new Map([[digest, "PUBLISH"]]));
    const script = `*3\r\n$7\r\nEVALSHA\r\n$40\r\n${digest}\r\n$1\r\n0\r\n`;
    expect(wire.sent(Buffer.from(`${script}*2\r\n$3\r\nget\r\n$1\r\nk\r\n`))).toEqual({
      what: "script PUBLISH; GET",
      answers: 2,
    });
  });

  test.each([
    [":1\r\n", 1],
    ["*2\r\n:1\r\n$5\r\nab\r\nc\r\n+OK\r\n", 2],
    ["$-1\r\n*-1\r\n*0\r\n", 3],
  ])("counts replies: %j", (reply, count) => {
    const whole = new RedisWire(new Map());
    expect(whole.received(Buffer.from(reply))).toBe(count);
    const byByte = new RedisWire(new Map());
    const replies = [...Buffer.from(reply)].map((byte) => byByte.received(Buffer.from([byte])));
    expect(replies.reduce((sum, found) => sum + found, 0)).toBe(count);
  });
});
