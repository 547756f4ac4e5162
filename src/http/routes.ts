import type { RouteGroup } from "./route.ts";
import { backlogGroup } from "./routes/backlog.ts";
import { changeGroup } from "./routes/changes.ts";
import { conflictGroup } from "./routes/conflicts.ts";
import { connectorGroup } from "./routes/connectors.ts";
import { consoleGroup } from "./routes/console.ts";
import { eraseGroup } from "./routes/erase.ts";
import { exportGroup } from "./routes/export.ts";
import { findGroup } from "./routes/find.ts";
import { historyGroup } from "./routes/history.ts";
import { hubGroup } from "./routes/hub.ts";
import { jobGroup } from "./routes/jobs.ts";
import { keyGroup } from "./routes/keys.ts";
import { mcpGroup } from "./routes/mcp.ts";
import { memoryGroup } from "./routes/memories.ts";
import { operationGroup } from "./routes/operation.ts";
import { patchGroup } from "./routes/patch.ts";
import { replicaGroup } from "./routes/replica.ts";
import { searchGroup } from "./routes/search.ts";
import { storeGroup } from "./routes/stores.ts";
import { subscriptionGroup } from "./routes/subscriptions.ts";

/** Every route of the API. A new part of it is one file with a group, and one line here. */
export const ROUTE_GROUPS: readonly RouteGroup[] = [
  memoryGroup,
  patchGroup,
  findGroup,
  eraseGroup,
  exportGroup,
  searchGroup,
  historyGroup,
  changeGroup,
  subscriptionGroup,
  hubGroup,
  replicaGroup,
  connectorGroup,
  mcpGroup,
  jobGroup,
  conflictGroup,
  backlogGroup,
  storeGroup,
  keyGroup,
  operationGroup,
];

/** Pages for people, beside the API: its document does not have them. */
export const PAGE_GROUPS: readonly RouteGroup[] = [consoleGroup];
