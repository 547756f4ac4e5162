import * as z from "zod";
import { connectorDefinition } from "../connectors/definition.ts";
import { lazily } from "../domain/lazily.ts";
import { changeSchema } from "./change-documents.ts";
import {
  connectorLettersSchema,
  connectorMediaSchema,
  connectorRunSchema,
  connectorRunsSchema,
  connectorSchema,
  connectorStatusSchema,
  connectorsSchema,
  DEFINITION_SCHEMA,
} from "./connector-documents.ts";
import { checkSchema, conflictDetailsSchema, conflictsSchema, repairSchema } from "./consistency-documents.ts";
import { copiesSchema } from "./copy-documents.ts";
import { deviceDocumentSchema, devicesSchema } from "./device-documents.ts";
import { erasePreviewSchema, erasureSchema, erasuresSchema } from "./erase-documents.ts";
import { errorFields } from "./fields.ts";
import { countSchema, manySchema, namespacesSchema, pageSchema } from "./find-documents.ts";
import { reembedSchema } from "./job-documents.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import { memorySchema, outcomeSchema, searchSchema, versionsSchema } from "./memory-documents.ts";
import {
  addedSpaceSchema,
  spaceDeletedSchema,
  spaceListSchema,
  spaceLogSchema,
  spaceMediaSchema,
  spacePingSchema,
  spaceRunSchema,
  spaceViewSchema,
} from "./memory-space-documents.ts";
import {
  exportImportSchema,
  importSchema,
  queueSchema,
  statusSchema,
  watchedStatusSchema,
} from "./operation-documents.ts";
import { promotionSchema, replicaLettersSchema, replicaStatusSchema, verificationSchema } from "./replica-documents.ts";
import { deployedStoreSchema, deployedStoresSchema, forgottenStoreSchema } from "./store-documents.ts";
import {
  deadLettersSchema,
  deletedSubscriptionSchema,
  droppedSchema,
  replayedSchema,
  subscriptionSchema,
  subscriptionsSchema,
  subscriptionWithSecretSchema,
  testDeliverySchema,
} from "./subscription-documents.ts";

const configSchema = lazily(() =>
  z.strictObject({
    settings: z.array(
      z.strictObject({
        option: z.string(),
        value: z.unknown().describe("Null: not set. Secrets are hidden"),
        source: z.enum(["default", "file", "environment", "flag", "unset"]),
        environmentName: z.string(),
        flag: z.string(),
        description: z.string(),
      }),
    ),
  }),
);

const doctorSchema = lazily(() =>
  z.strictObject({
    healthy: z.boolean(),
    checks: z.array(
      z.strictObject({
        check: z.string(),
        state: z.enum(["ok", "note", "warning", "failure"]),
        found: z.string(),
        advice: z.string().optional(),
      }),
    ),
  }),
);

/**
 * The documents that `--json` prints, by the name of its file in `docs/schemas/`. `npm run schemas` writes the files, and tests check
 * every command's output against them. A new field is a compatible change; a renamed or missing one is not.
 */
export const DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  check: checkSchema().describe("mnemosync check --json"),
  repair: repairSchema().describe("mnemosync repair --json"),
  reembed: reembedSchema().describe("mnemosync reembed --json"),
  conflicts: conflictsSchema().describe("mnemosync conflicts --json"),
  conflict: conflictDetailsSchema().describe("mnemosync conflicts show <id> --json"),
  copies: copiesSchema().describe("mnemosync copies --json"),
  import: importSchema().describe("mnemosync import <lines> --json"),
  "import-export": exportImportSchema().describe("mnemosync import <export> --json"),
  get: memorySchema().describe("mnemosync get --json"),
  "get-many": manySchema().describe("mnemosync get --json with several ids"),
  list: pageSchema().describe("mnemosync list --json"),
  count: countSchema().describe("mnemosync count --json"),
  namespaces: namespacesSchema().describe("mnemosync namespaces --json"),
  search: searchSchema().describe("mnemosync search --json, nearest first"),
  put: outcomeSchema().describe("mnemosync put, patch, delete, revive and rollback --json"),
  history: versionsSchema().describe("mnemosync history --json, newest first"),
  watch: changeSchema().describe("mnemosync watch --json, one document per line"),
  status: watchedStatusSchema().describe("mnemosync status --json"),
  queue: queueSchema().describe("mnemosync queue --json"),
  stores: deployedStoresSchema().describe("mnemosync store list --json"),
  store: deployedStoreSchema().describe("mnemosync store show <id> --json"),
  "store-forget": forgottenStoreSchema().describe("mnemosync store forget <id> --json"),
  erase: erasureSchema().describe("mnemosync erase and erasures <id> --json"),
  "erase-preview": erasePreviewSchema().describe("mnemosync erase --dry-run --json"),
  erasures: erasuresSchema().describe("mnemosync erasures --json"),
  subscriptions: subscriptionsSchema().describe("mnemosync subscription list --json"),
  subscription: subscriptionSchema().describe("mnemosync subscription show, replace, pause and resume --json"),
  "subscription-secret": subscriptionWithSecretSchema().describe("mnemosync subscription add and rotate-secret --json"),
  "subscription-test": testDeliverySchema().describe("mnemosync subscription test --json"),
  "subscription-delete": deletedSubscriptionSchema().describe("mnemosync subscription delete --json"),
  replica: replicaStatusSchema().describe("mnemosync replica status, pause, resume and backfill --json"),
  "replica-dead-letters": replicaLettersSchema().describe("mnemosync replica dead-letters --json"),
  "replica-verify": verificationSchema().describe("mnemosync replica verify --json"),
  "replica-promote": promotionSchema().describe("mnemosync replica promote --json"),
  connector: connectorSchema().describe("mnemosync connector show and add --json"),
  connectors: connectorsSchema().describe("mnemosync connector list --json"),
  "connector-status": connectorStatusSchema().describe("mnemosync connector status, pause, resume and reset --json"),
  "connector-run": connectorRunSchema().describe("mnemosync connector sync, backfill and replay --json"),
  "connector-runs": connectorRunsSchema().describe("mnemosync connector runs --json"),
  "connector-dead-letters": connectorLettersSchema().describe("mnemosync connector dead-letters --json"),
  "connector-media": connectorMediaSchema().describe("mnemosync connector media <id> <sha256> --json"),
  [DEFINITION_SCHEMA]: connectorDefinition().describe("A connector, in the settings file and over the API"),
  devices: devicesSchema().describe("mnemosync device list --json"),
  device: deviceDocumentSchema().describe("mnemosync device show, revoke and admit --json"),
  "dead-letters": deadLettersSchema().describe("mnemosync subscription dead-letters --json"),
  "dead-letters-replay": replayedSchema().describe("mnemosync subscription replay --json"),
  "dead-letters-drop": droppedSchema().describe("mnemosync subscription drop --json"),
  "memory-add": addedSpaceSchema().describe("mnemosync memory add --json"),
  "memory-sync": spaceRunSchema().describe("mnemosync memory sync and resync --json"),
  "memory-list": spaceListSchema().describe("mnemosync memory list --json"),
  "memory-deleted": spaceDeletedSchema().describe("mnemosync memory list --deleted --json"),
  "memory-view": spaceViewSchema().describe("mnemosync memory view --json"),
  "memory-log": spaceLogSchema().describe("mnemosync memory log --json"),
  "memory-media": spaceMediaSchema().describe("mnemosync memory media <memory> --json"),
  "memory-ping": spacePingSchema().describe("mnemosync memory ping --json"),
  config: configSchema().describe("mnemosync config --json"),
  doctor: doctorSchema().describe("mnemosync doctor --json"),
  error: z
    .strictObject({
      error: errorFields(),
      stores: statusSchema()
        .shape.stores.optional()
        .describe("status alone: the other stores, while PostgreSQL is away"),
    })
    .describe("Any command with --json that failed, or found nothing (get, history)"),
};

/** Documents that are given to the program: what has a default may be absent. */
const INPUTS: ReadonlySet<string> = new Set([DEFINITION_SCHEMA]);

/** The text of the schema's file: JSON Schema (2020-12). */
export function schemaText(name: string): string {
  const document = DOCUMENTS[name];
  if (document === undefined) throw new RangeError(`there is no document ${name}`);
  return `${JSON.stringify(jsonSchemaOf(document, INPUTS.has(name) ? "input" : "output"), null, 2)}
`;
}
