import { z } from "zod";
import { conflictSettings } from "../conflict/settings.ts";
import { consistencySettings } from "../consistency/settings.ts";
import { memorySettings } from "../domain/settings.ts";
import { connectionSettings } from "../drivers/settings.ts";
import { embeddingSettings } from "../embed/settings.ts";
import { ledgerSettings } from "../ledger/settings.ts";
import { readSettings } from "../read/settings.ts";
import { metricsSettings } from "../runtime/settings.ts";
import { faissSettings } from "../stores/faiss/settings.ts";
import { redisSettings } from "../stores/redis/settings.ts";
import { storeSettings } from "../stores/settings.ts";
import { writeSettings } from "../write/settings.ts";
import { httpSettings } from "./http-settings.ts";

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
  http: httpSettings.prefault({}),
});

/** Options as a caller gives them. */
export type Options = z.input<typeof optionsSchema>;

/** Options with every default filled in. */
export type EffectiveOptions = z.output<typeof optionsSchema>;
