import { MetricBase } from "../runtime/metric-base.ts";
import type { FileNotice } from "./file/context.ts";
import type { FileStatus } from "./file/status-reads.ts";
import type { PullResult, PushResult } from "./sync/results.ts";

/** Metrics of one edge. */
export function edgeMetrics(status: () => Promise<FileStatus>) {
  const base = new MetricBase();
  const depth = base.gauge("edge_outbox_depth", "Changes that the hub has not taken, by state", ["state"]);
  const bytes = base.gauge("edge_outbox_bytes", "Bytes of the changes that wait for the hub");
  const oldest = base.gauge("edge_outbox_oldest_age_seconds", "Age of the oldest change that waits; 0: none waits");
  const conflictsPending = base.gauge("edge_conflicts_pending", "Conflicts that await a decision");
  const pushLag = base.gauge(
    "edge_push_lag_seconds",
    "From the oldest edit of the last push that was applied to the hub's answer",
  );
  const pullLag = base.gauge("edge_pull_lag_seconds", "From the commit of the last pulled change to its arrival here");
  const online = base.gauge("edge_online", "1: the hub answered last, 0: it did not");
  const paused = base.gauge("edge_paused", "1: nothing goes up or down until it is resumed, 0: it is not paused");
  const pushed = base.counter("edge_pushed_total", "Changes that were answered, by outcome", ["outcome"]);
  const pulled = base.counter("edge_pulled_total", "Changes of the hub that were received");
  const failures = base.counter("edge_failures_total", "Changes that the hub does not take, by code", ["code"]);
  const conflicts = base.counter("edge_conflicts_total", "Conflicts, by policy and resolution", [
    "policy",
    "resolution",
  ]);
  for (const outcome of ["applied", "conflict", "failed", "retry"]) pushed.inc({ outcome }, 0);
  base.beforeScrape(async () => {
    // The file may be closed or locked: the last values stay.
    const found = await status().catch(() => null);
    if (found === null) return;
    depth.set({ state: "pending" }, found.pending);
    depth.set({ state: "failed" }, found.failed);
    bytes.set(found.pendingBytes);
    oldest.set((found.oldestPendingMs ?? 0) / 1_000);
    conflictsPending.set(found.conflicts);
    paused.set(found.isPaused ? 1 : 0);
    if (found.lagMs !== null) pullLag.set(found.lagMs / 1_000);
  });
  return {
    base,
    onContact: (isOnline: boolean) => online.set(isOnline ? 1 : 0),
    onPushed: (result: PushResult) => {
      pushed.inc({ outcome: "applied" }, result.applied);
      pushed.inc({ outcome: "conflict" }, result.conflicts);
      pushed.inc({ outcome: "failed" }, result.failed);
      pushed.inc({ outcome: "retry" }, result.retry);
      if (result.lagMs !== null) pushLag.set(result.lagMs / 1_000);
    },
    onPulled: (result: PullResult) => pulled.inc(result.changes),
    onNotice: (notice: FileNotice) => {
      if (notice.kind === "failed") failures.inc({ code: notice.code });
      if (notice.kind === "conflict") conflicts.inc({ policy: notice.policy, resolution: notice.resolution });
    },
  };
}
