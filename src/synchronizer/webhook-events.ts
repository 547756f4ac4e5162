import type { Outbox } from "../webhooks/outbox.ts";
import type { Notifications } from "./notifications.ts";

/**
 * Hands what this node notices to webhooks, as figures. No message names a memory: it may be `local_only`, and what a strategy
 * notes may quote it. Receivers look into the service for more.
 */
export function tellWebhooks({ listeners }: Pick<Notifications, "listeners">, outbox: Pick<Outbox, "tell">): void {
  listeners.on("drift", ({ scope, findings }) => {
    const byKind = counted(findings.map(({ kind }) => kind));
    const byStore = counted(findings.map(({ store }) => store));
    outbox.tell("drift", scope, { scope, findings: findings.length, byKind, byStore });
  });
  listeners.on("conflict", ({ namespace, source, strategy, outcome }) => {
    outbox.tell("conflict", `${namespace}/${source}/${outcome}`, { namespace, source, strategy, outcome });
  });
  listeners.on("repair", ({ repaired, failed, deferred, details }) => {
    const byKind = counted(details.map(({ kind }) => kind));
    outbox.tell("repair", "", { repaired, failed, deferred, byKind });
  });
  listeners.on("health", ({ store, from, to }) => outbox.tell("health", `${store}/${to}`, { store, from, to }));
  listeners.on("backlog", ({ store, state, memories }) => {
    outbox.tell("backlog", `${store}/${state}`, { store, state, memories });
  });
  listeners.on("run.failed", ({ jobId, kind, code, jobs, connector }) => {
    const key = connector === undefined ? `${kind}/${code}` : `${kind}/${connector}/${code}`;
    outbox.tell("run.failed", key, { jobId, kind, code, jobs, ...(connector !== undefined && { connector }) });
  });
  listeners.on("run.partial", (notice) => outbox.tell("run.partial", notice.connector, notice));
  listeners.on("connector.stalled", (notice) => outbox.tell("connector.stalled", notice.connector, notice));
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
