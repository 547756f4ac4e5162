import type { ConflictStrategy } from "./strategy.ts";

/** Decides nothing: every conflict stays pending, with all its sides, until a person resolves it. */
export const manual: ConflictStrategy = {
  name: "manual",
  resolve: () => ({ action: "pending", note: "kept for a person to decide" }),
};
