import * as z from "zod";
import { conflictSettings } from "../conflict/settings.ts";
import { connectorSettings } from "../connectors/settings.ts";
import { consistencySettings } from "../consistency/settings.ts";
import { type Fits, memorySettings } from "../domain/settings.ts";
import { connectionSettings } from "../drivers/settings.ts";
import { edgeSettings } from "../edge/settings.ts";
import { embeddingSettings } from "../embed/settings.ts";
import { hubSettings } from "../hub/settings.ts";
import { indexSettings, ledgerSettings, retentionSettings } from "../ledger/settings.ts";
import { readSettings } from "../read/settings.ts";
import { replicaSettings } from "../replica/settings.ts";
import { metricsSettings } from "../runtime/settings.ts";
import { faissSettings } from "../stores/faiss/settings.ts";
import { redisSettings } from "../stores/redis/settings.ts";
import { storeSettings } from "../stores/settings.ts";
import { webhookSettings } from "../webhooks/settings.ts";
import { writeSettings } from "../write/settings.ts";
import { httpSettings } from "./http-settings.ts";
import { mcpSettings } from "./mcp-settings.ts";
import type { Options } from "./option-types.ts";

/**
 * Every option that a file, the environment or a flag can set. Each room declares its section: bounds, default and
 * description. The environment name and the flag follow from the option's path, `--help` and the documentation from here.
 */
export const optionsSchema = z.strictObject({
  ...connectionSettings.shape,
  ...ledgerSettings.shape,
  ...memorySettings.shape,
  ...writeSettings.shape,
  ...readSettings.shape,
  ...consistencySettings.shape,
  ...conflictSettings.shape,
  ...metricsSettings.shape,
  ...redisSettings.shape,
  faiss: faissSettings.optional(),
  ...storeSettings.shape,
  embedding: embeddingSettings.prefault({}),
  indexes: indexSettings.prefault({}),
  retention: retentionSettings.prefault({}),
  http: httpSettings.prefault({}),
  mcp: mcpSettings.prefault({}),
  webhooks: webhookSettings.prefault({}),
  hub: hubSettings.prefault({}),
  replica: replicaSettings.prefault({}),
  connectors: connectorSettings.prefault({}),
  edge: edgeSettings.optional(),
});

/** Options as a caller gives them. */
export type { Options };

/** Options with every default filled in. */
export type EffectiveOptions = z.output<typeof optionsSchema>;

type Given = z.input<typeof optionsSchema>;
/** Does not compile once a setting differs from its documented type: `npm run docs` makes the types anew. */
true satisfies Fits<Given, Options>;
true satisfies Fits<NonNullable<Given["embedding"]>, NonNullable<Options["embedding"]>>;
true satisfies Fits<NonNullable<Given["indexes"]>, NonNullable<Options["indexes"]>>;
true satisfies Fits<NonNullable<Given["retention"]>, NonNullable<Options["retention"]>>;
true satisfies Fits<NonNullable<Given["http"]>, NonNullable<Options["http"]>>;
true satisfies Fits<NonNullable<Given["mcp"]>, NonNullable<Options["mcp"]>>;
true satisfies Fits<NonNullable<Given["webhooks"]>, NonNullable<Options["webhooks"]>>;
true satisfies Fits<NonNullable<Given["hub"]>, NonNullable<Options["hub"]>>;
true satisfies Fits<NonNullable<Given["replica"]>, NonNullable<Options["replica"]>>;
true satisfies Fits<NonNullable<Given["connectors"]>, NonNullable<Options["connectors"]>>;
true satisfies Fits<NonNullable<Given["edge"]>, NonNullable<Options["edge"]>>;
