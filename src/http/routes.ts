import type { Route } from "./route.ts";
import { conflictRoutes } from "./routes/conflicts.ts";
import { exportRoutes } from "./routes/export.ts";
import { historyRoutes } from "./routes/history.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { memoryRoutes } from "./routes/memories.ts";
import { operationRoutes } from "./routes/operation.ts";
import { queueRoutes } from "./routes/queue.ts";
import { searchRoutes } from "./routes/search.ts";

/** Every route that is declared. `/metrics` and `/openapi.json` are no JSON routes of their own: see `server.ts`. */
export const ROUTES: readonly Route[] = [
  ...memoryRoutes,
  ...exportRoutes,
  ...searchRoutes,
  ...historyRoutes,
  ...jobRoutes,
  ...conflictRoutes,
  ...queueRoutes,
  ...operationRoutes,
];
