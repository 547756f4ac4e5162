import * as z from "zod";
import { lazily } from "../domain/lazily.ts";

/** Keys of the service, as HTTP shows them: never the key itself, nor its hash. */

const keyFields = lazily(() => ({
  id: z.string(),
  owner: z.string().describe("To whom idempotency keys, devices and webhooks of the key belong"),
  scope: z.enum(["read", "write", "admin"]),
  namespaces: z.array(z.string()).nullable().describe("Null: all of them, also those that come later"),
  expiresAt: instantWithOffset().nullable().describe("Null: never"),
}));

export const ownKeySchema = lazily(() =>
  z
    .strictObject({
      ...keyFields(),
      operator: z.boolean().describe("Whether it may change how the service works: scope admin, of all namespaces"),
    })
    .meta({ id: "OwnKey" }),
);

export const keysSchema = lazily(() =>
  z
    .strictObject({
      authentication: z.enum(["keys", "none"]).describe("none: the service asks for no keys, and has none"),
      keys: z.array(z.strictObject({ ...keyFields(), expired: z.boolean() })).describe("In the order of their ids"),
      after: z.string().nullable().describe("Where the next page begins; null: there is none"),
    })
    .meta({ id: "Keys" }),
);

/** As the file of keys has it. */
function instantWithOffset() {
  return z.iso.datetime({ offset: true });
}
