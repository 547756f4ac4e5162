import type { StoreName } from "../domain/errors.ts";
import type { HealthReport } from "../runtime/health-monitor.ts";

export const CAPABILITIES = ["read", "write", "search"] as const;

/** What a synchronizer can do for its callers at the moment. */
export type Capability = (typeof CAPABILITIES)[number];

type Health = Readonly<Partial<Record<StoreName, Pick<HealthReport, "state" | "checks">>>>;

/**
 * What the stores' last health checks leave possible. A store that nobody looked at yet counts as there.
 *
 * - `read` needs Redis or Postgres: with Redis alone, memories that are not in it cannot be read.
 * - `write` needs Postgres; under `onStoreDown: "reject"` every other store too.
 * - `search` needs the index, and what `read` needs.
 */
export function capabilitiesOf(
  health: Health,
  onStoreDown: "degrade" | "reject",
): Readonly<Record<Capability, boolean>> {
  const isUp = (store: StoreName): boolean => {
    const report = health[store];
    return report !== undefined && !(report.state === "down" && report.checks > 0);
  };
  const read = isUp("postgres") || isUp("redis");
  const others = (Object.keys(health) as StoreName[]).filter((store) => store !== "postgres");
  const write = isUp("postgres") && (onStoreDown === "degrade" || others.every(isUp));
  return { read, write, search: read && isUp("faiss") };
}
