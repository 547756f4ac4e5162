import * as z from "zod";
import { parseFilter } from "../domain/filter/filter.ts";
import { lazily } from "../domain/lazily.ts";
import { milliseconds, wholeNumber } from "../domain/settings.ts";
import { lightRagSettings } from "./lightrag/settings.ts";
import { memorySpaceSettings } from "./memory-space/settings.ts";

const INTERVAL_MIN_MS = 1_000;
/** A hundred years. */
const INTERVAL_MAX_MS = 3_155_760_000_000;
const namespaceText = () => z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, "expected 1 to 128 of A-Z a-z 0-9 . _ -");

/** Names a connector: part of routes, and of names at other services. */
export const CONNECTOR_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

const memories = lazily(() => ({ type: z.literal("memories").describe("The memories of this deployment") }));

/** Where a connector reads. */
const fromSchema = lazily(() =>
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("memory-space"), ...memorySpaceSettings().shape }),
    z.strictObject({
      ...memories(),
      namespaces: z.array(namespaceText()).min(1).max(100).optional().describe("Of all namespaces by default"),
      where: z
        .record(z.string(), z.unknown())
        .superRefine((where, context) => {
          const flaw = flawOf(where);
          if (flaw !== null) context.addIssue({ code: "custom", message: flaw });
        })
        .optional()
        .describe("Only memories that pass this filter"),
    }),
  ]),
);

/** Where it writes. */
const toSchema = lazily(() =>
  z.discriminatedUnion("type", [
    z.strictObject({
      ...memories(),
      namespace: namespaceText().default("default").describe("Where the memories go"),
    }),
    z
      .strictObject({ type: z.literal("lightrag"), ...lightRagSettings().shape })
      .refine(({ apiKey, bearer }) => apiKey === undefined || bearer === undefined, {
        message: "give apiKey or bearer, not both: a bad bearer is refused even beside a good key",
        path: ["bearer"],
      }),
  ]),
);

const jitterMs = () =>
  milliseconds(0)
    .default(0)
    .describe(
      "Milliseconds after its time by which a run may be put off, chosen once: connectors do not all begin at once",
    );

const scheduleSchema = lazily(() =>
  z.union([
    z.strictObject({
      everyMs: wholeNumber(INTERVAL_MIN_MS, INTERVAL_MAX_MS).describe(
        "Milliseconds between the beginnings of two runs: any interval",
      ),
      jitterMs: jitterMs(),
    }),
    z.strictObject({
      cron: z.string().min(1).max(256).describe("A cron expression of five fields, or six with seconds"),
      timeZone: z.string().min(1).max(64).default("UTC").describe("An IANA name, e.g. Europe/Berlin"),
      jitterMs: jitterMs(),
    }),
  ]),
);

const mappingSchema = lazily(() =>
  z.strictObject({
    memoryType: z.string().min(1).max(64).optional().describe("Of the memories. Default: episodic"),
    importance: z.number().min(0).max(1).optional().describe("Of the memories"),
    idPrefix: z.string().max(128).optional().describe("Precedes an item's id. Default: memory-space/"),
    tags: z.array(z.string().min(1)).min(1).max(100).optional().describe("Only items with one of these tags"),
  }),
);

const mediaSchema = lazily(() =>
  z.strictObject({
    kinds: z
      .array(z.enum(["audio", "image"]))
      .min(1)
      .default(["audio", "image"]),
    tags: z.array(z.string().min(1)).min(1).max(100).optional().describe("Only of items with one of these tags"),
  }),
);

/** A connector: from where to where, and when. At least one side is another service. */
export const connectorDefinition = lazily(() =>
  z
    .strictObject({
      from: fromSchema(),
      to: toSchema().prefault({ type: "memories" }),
      through: z
        .strictObject({ namespace: namespaceText() })
        .optional()
        .describe("From one service to another: the namespace whose memories lie between. Default: default"),
      mapping: mappingSchema().optional().describe("How items become memories"),
      media: mediaSchema()
        .optional()
        .describe("Sounds and pictures of items that are fetched too, into connectors.mediaDirectory. Default: none"),
      transform: z
        .string()
        .min(1)
        .max(4_096)
        .optional()
        .describe(
          "How memories become texts: standard, plain, rich, or in the settings file the path of a module. Default: standard",
        ),
      schedule: scheduleSchema().optional().describe("Without one it runs on demand only"),
      overlapMs: milliseconds(0)
        .default(600_000)
        .describe("Milliseconds before the last run that a source reads again"),
      fullSchedule: scheduleSchema()
        .optional()
        .describe("When it reads everything, finds edits that carry an old time, and deletes what is gone"),
      inFlightMax: wholeNumber(1, 1_000).default(100).describe("Texts that are on their way to a service at once"),
    })
    .refine(({ from, to }) => [from, to].every((side) => side.type === "memories" || !hasPassword(side.url)), {
      message: "an address has no user and password: give the key as apiKey",
      path: ["url"],
    })
    .refine(({ from, to }) => from.type !== "memories" || to.type !== "memories", {
      message: "one side must be another service: memories are here already",
      path: ["to"],
    }),
);

export type ConnectorDefinition = z.output<ReturnType<typeof connectorDefinition>>;
/** A definition as it is given: in the settings file, or over the API. */
export type ConnectorInput = z.input<ReturnType<typeof connectorDefinition>>;

/** What a connector does with memories. */
export type ConnectorDirection = "import" | "deliver" | "pipe";

export function directionOf({ from, to }: { from: { type: string }; to: { type: string } }): ConnectorDirection {
  if (from.type === "memories") return "deliver";
  return to.type === "memories" ? "import" : "pipe";
}

/** The namespace of the memories that a source brings. */
export function namespaceOf({ to, through }: ConnectorDefinition): string {
  return to.type === "memories" ? to.namespace : (through?.namespace ?? "default");
}

function flawOf(where: unknown): string | null {
  try {
    parseFilter(where, "");
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function hasPassword(text: string): boolean {
  if (!URL.canParse(text)) return false; // Refused as an address, by its own check.
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}
