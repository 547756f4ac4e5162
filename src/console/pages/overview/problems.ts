import type { ConnectorStatus, Device, Replica, Status } from "../../api/documents.ts";
import { linkTo } from "../../state/place.ts";
import { counted } from "../../text/numbers.ts";
import { duration } from "../../text/time.ts";

/** Something that is wrong, and what to do next. */
export interface Problem {
  readonly id: string;
  readonly severity: "bad" | "warning";
  readonly title: string;
  readonly detail: string;
  readonly next: { readonly text: string; readonly href: string } | null;
}

/** What is known of the deployment. Null: it was not read, or the key may not see it. */
export interface Known {
  readonly status: Status;
  readonly isQueuePaused: boolean | null;
  /** Of those that await a decision; up to 1,000. */
  readonly pendingConflicts: number | null;
  readonly connectors: readonly ConnectorStatus[] | null;
  readonly replica: Replica | null;
  readonly devices: readonly Device[] | null;
}

/** Seconds for which a clean check counts as recent: a sweep or a daily check keeps below it. */
const CLEAN_CHECK_MAX_SECONDS = 2 * 86_400;
/** Seconds that a replica may be behind before it is named. */
const REPLICA_LAG_MAX_SECONDS = 60;

/** What is wrong, the worst first. @param now milliseconds since 1970. */
export function problemsOf(known: Known, now: number): Problem[] {
  const found = [
    ...storeProblems(known.status),
    ...backlogProblems(known),
    ...driftProblems(known, now),
    ...serviceProblems(known.status),
    ...replicaProblems(known.replica),
    ...connectorProblems(known.connectors ?? []),
  ];
  return found.sort((one, other) => Number(one.severity !== "bad") - Number(other.severity !== "bad"));
}

function storeProblems({ stores }: Status): Problem[] {
  return Object.entries(stores)
    .filter(([, { state }]) => state !== "healthy")
    .map(([store, { state, reason }]) => ({
      id: `store ${store}`,
      severity: state === "down" ? "bad" : "warning",
      title: `${store} is ${state}`,
      detail: `${reason ?? "The reason is told to keys with the scope admin for all namespaces"}. Writes go on where the others allow it; what ${store} lacks waits in the queue.`,
      next: { text: "Look at the queue", href: linkTo("queue") },
    }));
}

function backlogProblems({ status: { backlog }, isQueuePaused }: Known): Problem[] {
  const next = { text: "Look at the queue", href: linkTo("queue") };
  const problems: Problem[] = [];
  if (backlog.dead > 0) {
    problems.push({
      id: "dead letters",
      severity: "bad",
      title: `${counted(backlog.dead, "queued memory was", "queued memories were")} given up`,
      detail: "A store refused them for good. Read why, then try them again or let a check repair them.",
      next,
    });
  }
  if (isQueuePaused === true) {
    problems.push({
      id: "queue paused",
      severity: "warning",
      title: "The queue is paused",
      detail: "Stores that were away are not brought up to date until it is resumed.",
      next: { text: "Resume it on the queue's page", href: next.href },
    });
  }
  if (backlog.failed > 0) {
    problems.push({
      id: "failed",
      severity: "warning",
      title: `${counted(backlog.failed, "queued memory", "queued memories")} failed and will be tried again`,
      detail: "This passes by itself once the store answers.",
      next,
    });
  }
  return problems;
}

function driftProblems({ status, pendingConflicts }: Known, now: number): Problem[] {
  const problems: Problem[] = [];
  const findings = status.consistency?.findings ?? [];
  const total = findings.reduce((sum, { count }) => sum + count, 0);
  if (total > 0) {
    const stores = [...new Set(findings.map(({ store }) => store))].join(", ");
    problems.push({
      id: "drift",
      severity: "bad",
      title: `Drift: ${counted(total, "finding")} in ${stores}`,
      detail: `The last check found ${findings.map(({ store, kind, count }) => `${count} ${kind} in ${store}`).join(", ")}.`,
      next: { text: "Look at the findings and repair them", href: linkTo("drift") },
    });
  }
  if (pendingConflicts !== null && pendingConflicts > 0) {
    const many = pendingConflicts >= 1_000 ? "1,000 or more conflicts await" : undefined;
    problems.push({
      id: "conflicts",
      severity: "warning",
      title: `${many ?? counted(pendingConflicts, "conflict awaits", "conflicts await")} a decision`,
      detail: "Both sides may be right, so a person decides which one stays.",
      next: { text: "Decide", href: linkTo("conflicts") },
    });
  }
  if (status.consistency !== null && total === 0) {
    const { lastCleanCheckAt } = status;
    const ageSeconds = lastCleanCheckAt === null ? null : (now - Date.parse(lastCleanCheckAt)) / 1_000;
    if (ageSeconds === null || ageSeconds > CLEAN_CHECK_MAX_SECONDS) {
      problems.push({
        id: "no check",
        severity: "warning",
        title: ageSeconds === null ? "No check has proven the stores equal yet" : "The last clean check was long ago",
        detail:
          ageSeconds === null
            ? "A full check compares every memory of every store with the ledger."
            : `It ended ${duration(ageSeconds)} ago. Since then nothing has proven that the stores agree.`,
        next: { text: "Run a check", href: linkTo("drift") },
      });
    }
  }
  return problems;
}

function serviceProblems({ services }: Status): Problem[] {
  return Object.entries(services)
    .filter(([, { lastError }]) => lastError !== null)
    .map(([name, { lastError }]) => ({
      id: `service ${name}`,
      severity: "warning",
      title: `The background work "${name}" failed last`,
      detail: `${lastError}. It is tried again by itself.`,
      next: { text: "Look at the queue and jobs", href: linkTo("queue") },
    }));
}

function replicaProblems(replica: Replica | null): Problem[] {
  if (replica === null || replica.state === "off") return [];
  const next = { text: "Look at the replica", href: linkTo("replica") };
  const problems: Problem[] = [];
  if (!replica.isUp) {
    problems.push({
      id: "replica down",
      severity: "bad",
      title: `The replica ${replica.name} does not answer`,
      detail: `${replica.reason ?? "It is tried again by itself"}. The primary keeps what it has not told it.`,
      next,
    });
  } else if (replica.reason !== null) {
    problems.push({
      id: "replica",
      severity: "warning",
      title: `The replica is ${replica.state}`,
      detail: replica.reason,
      next,
    });
  }
  if (replica.isPaused) {
    problems.push({
      id: "replica paused",
      severity: "warning",
      title: "Replication is paused",
      detail: "The replica falls behind until it is resumed.",
      next,
    });
  } else if (replica.lag !== null && replica.lag.seconds > REPLICA_LAG_MAX_SECONDS) {
    problems.push({
      id: "replica lag",
      severity: "warning",
      title: `The replica is ${duration(replica.lag.seconds)} behind`,
      detail: `${counted(replica.lag.changes, "change")} wait to be sent.`,
      next,
    });
  }
  if ((replica.deadLetters?.dead ?? 0) > 0) {
    problems.push({
      id: "replica letters",
      severity: "bad",
      title: `The replica refused ${counted(replica.deadLetters?.dead ?? 0, "memory", "memories")}`,
      detail: "It lacks them until they are tried again.",
      next,
    });
  }
  if ((replica.diverged ?? 0) > 0) {
    problems.push({
      id: "replica diverged",
      severity: "warning",
      title: `The replica keeps ${counted(replica.diverged ?? 0, "version")} that the primary lost`,
      detail: "The primary was restored to an earlier state.",
      next,
    });
  }
  return problems;
}

function connectorProblems(connectors: readonly ConnectorStatus[]): Problem[] {
  return connectors.flatMap((connector): Problem[] => {
    const { id, invalid, pausedBecause, consecutiveFailures, lastError, deadLetters } = connector;
    const next = { text: `Look at ${id}`, href: linkTo("connectors", [id]) };
    if (invalid !== null) {
      return [
        { id: `connector ${id}`, severity: "bad", title: `The connector ${id} cannot be used`, detail: invalid, next },
      ];
    }
    if (pausedBecause === "authentication") {
      const detail = "The service does not take its key. Give it a valid one, then resume it.";
      return [{ id: `connector ${id}`, severity: "bad", title: `The connector ${id} is paused`, detail, next }];
    }
    if (consecutiveFailures > 0) {
      const title = `The connector ${id} failed ${counted(consecutiveFailures, "time")} in a row`;
      const detail = `${lastError?.message ?? "Its last run has the reason"}.`;
      return [{ id: `connector ${id}`, severity: consecutiveFailures > 2 ? "bad" : "warning", title, detail, next }];
    }
    if (deadLetters > 0) {
      const title = `The connector ${id} has ${counted(deadLetters, "dead letter")}`;
      const detail = "Items that could not be stored or delivered. Read why, then replay or drop them.";
      return [{ id: `connector ${id}`, severity: "warning", title, detail, next }];
    }
    return [];
  });
}
