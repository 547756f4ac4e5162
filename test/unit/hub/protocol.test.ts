import { describe, expect, test } from "vitest";
import type { Ending } from "../../../src/domain/ending.ts";
import type { MemoryDocument, Privacy } from "../../../src/domain/memory.ts";
import { changeKeySchema, nextChangeKey } from "../../../src/hub/protocol/change-key.ts";
import { clockSkewMs, correctedTime } from "../../../src/hub/protocol/clock.ts";
import {
  holderAfter,
  leavingMemory,
  leavingOperations,
  privacyRefusal,
  type SentPrivacy,
} from "../../../src/hub/protocol/privacy.ts";
import { pushChangeSchema } from "../../../src/hub/protocol/push.ts";
import { decodeVector, encodeVector, wireMemorySchema } from "../../../src/hub/protocol/wire-memory.ts";

const document: MemoryDocument = {
  content: "a secret",
  memoryType: "episodic",
  importance: 0.5,
  metadata: { about: "a person" },
  privacy: "full",
  embeddingModel: "m",
  expiresAt: "2030-01-31T12:00:00.000Z",
};

describe("keys of changes", () => {
  const middle = () => 0.5;
  test("are ULIDs that only grow, whatever the clock does", () => {
    let previous: string | null = null;
    for (const now of [1_000, 1_000, 5_000, 4_999, 0, 6_000]) {
      const key: string = nextChangeKey(previous, now, middle);
      expect(changeKeySchema().safeParse(key).success).toBe(true);
      if (previous !== null) expect(key > previous).toBe(true);
      previous = key;
    }
  });
  test("carry over from digit to digit", () => {
    expect(nextChangeKey("00000000ZZZZZZZZZZZZZZZZZZ", 0, middle)).toBe("00000001000000000000000000");
  });
  test("end at the greatest one", () => {
    expect(() => nextChangeKey("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 0, middle)).toThrow(RangeError);
  });
});

describe("the time of a change", () => {
  test("is corrected by the difference of the clocks, in both directions", () => {
    expect(correctedTime(1_000, 2_000, 7_202_000)).toBe(7_201_000);
    expect(correctedTime(7_201_000, 7_202_000, 2_000)).toBe(1_000);
    expect(clockSkewMs(7_202_000, 2_000)).toBe(7_200_000);
  });
  test("is never after its arrival, and never before 1970", () => {
    expect(correctedTime(9_000, 2_000, 2_500)).toBe(2_500);
    expect(correctedTime(0, 10_000, 2_500)).toBe(0);
  });
  test("keeps the age of an edit of 40 days ago", () => {
    const now = 1_800_000_000_000;
    const age = 40 * 86_400_000;
    expect(correctedTime(now - age + 3_600_000, now + 3_600_000, now)).toBe(now - age);
  });
});

describe("what leaves an edge", () => {
  test("is all of a full memory, a vector to the bit", () => {
    const vector = Float32Array.of(0.1, -0, 3.4e38);
    const wire = leavingMemory(document, vector);
    expect(wireMemorySchema().parse(wire)).toEqual(wire);
    expect(wire).toMatchObject({ content: "a secret", metadata: { about: "a person" }, embeddingModel: "m" });
    const back = wire?.privacy === "full" && wire.embedding !== null ? decodeVector(wire.embedding) : null;
    expect(back && Buffer.from(back.buffer)).toEqual(Buffer.from(vector.buffer));
    expect(encodeVector(vector)).toBe(Buffer.from(vector.buffer).toString("base64"));
    expect(decodeVector("AAA=")).toBeNull();
  });
  test("is nothing withheld of a redacted memory, and nothing of a local one", () => {
    const redacted = leavingMemory({ ...document, privacy: "redacted" }, Float32Array.of(1));
    expect(redacted).toEqual({
      privacy: "redacted",
      memoryType: "episodic",
      importance: 0.5,
      expiresAt: "2030-01-31T12:00:00.000Z",
    });
    expect(leavingMemory({ ...document, privacy: "local_only" }, null)).toBeNull();
  });
  const OPERATIONS: Record<SentPrivacy, Record<Privacy, string>> = {
    nothing: { full: "put", redacted: "put", local_only: "" },
    full: { full: "put", redacted: "withdraw put", local_only: "withdraw" },
    redacted: { full: "put", redacted: "put", local_only: "withdraw" },
  };
  for (const [sent, row] of Object.entries(OPERATIONS)) {
    for (const [now, expected] of Object.entries(row)) {
      test(`once ${sent} was sent, a ${now} memory leaves as: ${expected || "nothing"}`, () => {
        expect(leavingOperations(sent as SentPrivacy, now as Privacy).join(" ")).toBe(expected);
      });
    }
  }
});

describe("what privacy forbids at the hub", () => {
  type Given = "full" | "redacted" | "delete" | "withdraw";
  const change = (given: Given) =>
    given === "delete" || given === "withdraw"
      ? ({ op: given } as const)
      : ({ op: "put", memory: { privacy: given } } as const);
  const live = (privacy: Privacy, holder: string | null) => ({ privacy, endedBy: null, holder });
  const ended = (endedBy: Ending, holder: string | null) => ({ privacy: null, endedBy, holder });
  const found = {
    unknown: null,
    "live, full": live("full", null),
    "live, redacted, content at the hub": live("redacted", null),
    "live, redacted, content at another device": live("redacted", "other"),
    "live, redacted, content at this device": live("redacted", "me"),
    "live, local to the hub": live("local_only", null),
    expired: ended("expired", null),
    deleted: ended("deleted", null),
    "withdrawn by another device": ended("withdrawn", "other"),
    "withdrawn by this device": ended("withdrawn", "me"),
    erased: ended("erased", "me"),
  };
  const TABLE: Record<keyof typeof found, Record<Given, string>> = {
    unknown: { full: "", redacted: "", delete: "", withdraw: "" },
    "live, full": { full: "", redacted: "SYNC_PAYLOAD", delete: "", withdraw: "" },
    "live, redacted, content at the hub": {
      full: "SYNC_PAYLOAD",
      redacted: "",
      delete: "",
      withdraw: "SYNC_PAYLOAD",
    },
    "live, redacted, content at another device": {
      full: "SYNC_PAYLOAD",
      redacted: "",
      delete: "",
      withdraw: "SYNC_PAYLOAD",
    },
    "live, redacted, content at this device": { full: "", redacted: "", delete: "", withdraw: "" },
    "live, local to the hub": {
      full: "WITHDRAWN",
      redacted: "WITHDRAWN",
      delete: "WITHDRAWN",
      withdraw: "SYNC_PAYLOAD",
    },
    expired: { full: "", redacted: "", delete: "", withdraw: "" },
    deleted: { full: "", redacted: "", delete: "", withdraw: "" },
    "withdrawn by another device": {
      full: "WITHDRAWN",
      redacted: "WITHDRAWN",
      delete: "WITHDRAWN",
      withdraw: "",
    },
    "withdrawn by this device": { full: "", redacted: "", delete: "", withdraw: "" },
    erased: { full: "ERASED", redacted: "ERASED", delete: "ERASED", withdraw: "ERASED" },
  };
  for (const [state, row] of Object.entries(TABLE)) {
    for (const [given, expected] of Object.entries(row)) {
      test(`${given} on a memory that is ${state}: ${expected || "allowed"}`, () => {
        const refusal = privacyRefusal(change(given as Given), found[state as keyof typeof found], "me");
        expect(refusal?.code ?? "").toBe(expected);
      });
    }
  }
  test("the holder is the device that has what the hub lacks", () => {
    expect(holderAfter(change("redacted"), null, "me")).toBe("me");
    expect(holderAfter(change("redacted"), found.deleted, "me")).toBe("me");
    expect(holderAfter(change("redacted"), live("redacted", "other"), "me")).toBe("other");
    expect(holderAfter(change("redacted"), live("redacted", null), "me")).toBeNull();
    expect(holderAfter(change("withdraw"), live("full", null), "me")).toBe("me");
    expect(holderAfter(change("full"), live("redacted", "me"), "me")).toBeNull();
    expect(holderAfter(change("delete"), live("redacted", "me"), "me")).toBeNull();
  });
});

describe("a change", () => {
  const head = { key: "01ARZ3NDEKTSV4RRFFQ69G5FAV", namespace: "n", memoryId: "m", baseVersion: 0, modifiedAt: 1 };
  const redacted = { privacy: "redacted", memoryType: "t", importance: 0.5 };
  test.each([
    ["a put without a memory", { ...head, op: "put" }],
    ["a withdrawal with a memory", { ...head, op: "withdraw", memory: redacted }],
    ["content in a redacted memory", { ...head, op: "put", memory: { ...redacted, content: "" } }],
    ["a local memory", { ...head, op: "put", memory: { ...redacted, privacy: "local_only" } }],
    ["a key that is no ULID", { ...head, op: "delete", key: "1" }],
    ["a base beyond the highest version", { ...head, op: "delete", baseVersion: 2 ** 48 + 1 }],
  ])("is refused with %s", (_what, change) => {
    expect(pushChangeSchema().safeParse(change).success).toBe(false);
  });
  test("reads back as it was made", () => {
    const change = { ...head, op: "put", memory: redacted };
    expect(pushChangeSchema().parse(change)).toEqual(change);
  });
});
