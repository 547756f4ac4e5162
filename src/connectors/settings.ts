import * as z from "zod";
import { SECRET, wholeNumber } from "../domain/settings.ts";

const secretKey = z
  .string()
  .refine((text) => /^[A-Za-z0-9+/]{43}=$/.test(text), "expected 32 bytes in base64: openssl rand -base64 32")
  .optional()
  .meta(SECRET);

/** Connectors to other services, under `connectors`. */
export const connectorSettings = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe("Whether this node makes runs of connectors while it serves; without it others do (serve --api-only)"),
  definitions: z
    .record(z.string(), z.unknown())
    .optional()
    .meta(SECRET)
    .describe(
      "Connectors by their ids, the same on every node that makes runs; ${NAME} stands for an environment variable. " +
        "docs/connectors.md explains them. As text: the object as JSON",
    ),
  mediaDirectory: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder of the sounds and pictures that connectors fetch, by their contents' hashes, the same for all nodes that make runs or serve them; " +
        "none: connectors that fetch files make no runs on this node",
    ),
  runsMax: wholeNumber(1, 256).default(10).describe("Runs of connectors on this node at a time, at most"),
  secretKey: secretKey.describe(
    "Encrypts the keys of connectors that are made over the API: 32 bytes in base64, the same on every node",
  ),
  previousSecretKey: secretKey.describe("The secretKey before this one: what it encrypted can still be read"),
});

export type ConnectorSettings = z.output<typeof connectorSettings>;
