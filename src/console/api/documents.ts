import type * as z from "zod";
import type { SideDifferences } from "../../conflict/differences.ts";
import type { Finding } from "../../consistency/check/report.ts";
import type { RepairDetail } from "../../consistency/repair/repair-options.ts";
import type { changeSchema } from "../../documents/change-documents.ts";
import type {
  connectorLettersSchema,
  connectorRunSchema,
  connectorSchema,
  connectorStatusSchema,
  connectorTestSchema,
} from "../../documents/connector-documents.ts";
import type {
  CheckResult,
  conflictDetailsSchema,
  conflictsSchema,
  RepairResult,
} from "../../documents/consistency-documents.ts";
import type { copiesSchema } from "../../documents/copy-documents.ts";
import type { deviceDocumentSchema } from "../../documents/device-documents.ts";
import type { erasePreviewSchema, erasureSchema } from "../../documents/erase-documents.ts";
import type { jobSchema } from "../../documents/job-documents.ts";
import type { keysSchema, ownKeySchema } from "../../documents/key-documents.ts";
import type {
  diffSchema,
  memorySchema,
  outcomeSchema,
  resultsSchema,
  versionsSchema,
} from "../../documents/memory-documents.ts";
import type { queueSchema, statusEventSchema, statusSchema } from "../../documents/operation-documents.ts";
import type {
  replicaLettersSchema,
  replicaStatusSchema,
  verificationSchema,
} from "../../documents/replica-documents.ts";
import type { deployedStoreSchema } from "../../documents/store-documents.ts";

/** What the service answers: the types of the schemas that it declares its answers with, so both change together. */

type Of<Schema extends () => z.ZodType> = z.output<ReturnType<Schema>>;

export type Status = Of<typeof statusSchema>;
export type StoreStatus = Status["stores"][string];
/** The data of an event `status` of the stream. */
export type StatusEvent = Of<typeof statusEventSchema>;
/** A reading of the service, one each 10 seconds. */
export type Sample = StatusEvent["samples"][number];
export type CheckStatus = NonNullable<Status["consistency"]>["checks"][number];
export type Queue = Of<typeof queueSchema>;
export type DeployedStore = Of<typeof deployedStoreSchema>;

export type Memory = Of<typeof memorySchema>;
export type SearchResult = Of<typeof resultsSchema>["results"][number];
export type Version = Of<typeof versionsSchema>["versions"][number];
export type VersionDiff = Of<typeof diffSchema>;
export type Outcome = Of<typeof outcomeSchema>;
export type Change = Of<typeof changeSchema>;
export type Erasure = Of<typeof erasureSchema>;
export type ErasePreview = Of<typeof erasePreviewSchema>;

export type Conflict = Of<typeof conflictsSchema>["conflicts"][number];
export type ConflictDetails = Of<typeof conflictDetailsSchema>;
export type MemoryCopies = Of<typeof copiesSchema>;
export type MemoryCopy = MemoryCopies["copies"][number];
export type ConflictSide = ConflictDetails["ledger"];

export type Job = Of<typeof jobSchema>;
export type { CheckResult, Finding, RepairDetail, RepairResult, SideDifferences };

export type Connector = Of<typeof connectorSchema>;
export type ConnectorStatus = Of<typeof connectorStatusSchema>;
export type ConnectorRun = Of<typeof connectorRunSchema>;
export type ConnectorLetter = Of<typeof connectorLettersSchema>["deadLetters"][number];
export type ConnectorTest = Of<typeof connectorTestSchema>;
export type Replica = Of<typeof replicaStatusSchema>;
export type ReplicaLetter = Of<typeof replicaLettersSchema>["deadLetters"][number];
export type ReplicaVerification = Of<typeof verificationSchema>;
/** The caller, as the service knows it by its key. */
export type Identity = Of<typeof ownKeySchema>;
export type Keys = Of<typeof keysSchema>;
export type Key = Keys["keys"][number];
export type Device = Of<typeof deviceDocumentSchema>;
