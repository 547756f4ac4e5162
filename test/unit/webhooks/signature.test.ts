import { expect, test } from "vitest";
import { SecretBox } from "../../../src/webhooks/secret-box.ts";
import { checkSecret, newSecret, signedHeaders } from "../../../src/webhooks/signature.ts";

/** Goal: receivers verify messages with any library of Standard Webhooks, and the ledger has no secret to lose. */

test("a message is signed as the example of Standard Webhooks is", () => {
  const message = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: '{"test": 2432232314}' };
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const headers = { "webhook-id": message.id, "webhook-timestamp": "1614265330" };
  expect(signedHeaders(message, [secret])).toEqual({ ...headers, "webhook-signature": signature });
  const two = signedHeaders(message, [newSecret(), secret])["webhook-signature"]?.split(" ") ?? [];
  expect(two).toHaveLength(2);
  expect(two[1]).toBe(signature);
});

test("a secret has the prefix and 24 to 64 bytes; what is refused is not repeated", () => {
  for (const bytes of [24, 32, 64]) checkSecret(`whsec_${Buffer.alloc(bytes, 9).toString("base64")}`);
  checkSecret(newSecret());
  const short = Buffer.alloc(23, 9).toString("base64");
  for (const bad of [short, `whsec_${short}`, `whsec_${"A".repeat(200)}`, "whsec_not base64!", "whsec_", ""]) {
    let message = "";
    try {
      checkSecret(bad);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^secret: (expected whsec_|has \d+ bytes)/);
    if (bad.length > 6) expect(message).not.toContain(bad);
  }
});

const [first, second] = [Buffer.alloc(32, 1).toString("base64"), Buffer.alloc(32, 2).toString("base64")];

test("a sealed secret opens for its subscription alone, with the key that sealed it, now or before", () => {
  const secret = newSecret();
  const box = new SecretBox([first]);
  const sealed = box.seal(secret, "one");
  expect(sealed.includes(Buffer.from(secret.slice(6, 20)))).toBe(false);
  expect(box.open(sealed, "one")).toBe(secret);
  expect(box.seal(secret, "one").equals(sealed)).toBe(false);
  expect(new SecretBox([second, first]).open(sealed, "one")).toBe(secret);
  const flipped = Buffer.from(sealed);
  flipped[flipped.length - 20] = (flipped[flipped.length - 20] ?? 0) ^ 1;
  const refusals: (() => string)[] = [
    () => box.open(sealed, "two"),
    () => box.open(flipped, "one"),
    () => box.open(sealed.subarray(0, 20), "one"),
    () => box.open(Buffer.alloc(0), "one"),
    () => new SecretBox([second]).open(sealed, "one"),
    () => new SecretBox([]).open(sealed, "one"),
  ];
  for (const refusal of refusals)
    expect(refusal).toThrow(/secret of a subscription cannot be read: webhooks.secretKey/);
});
