import type { ConnectorRun } from "../../connectors/hosted/run-view.ts";
import type { ConnectorStatus } from "../../connectors/hosted/status.ts";
import type { RunCounts } from "../../connectors/state/state.ts";
import { columns } from "../columns.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { counted } from "../output.ts";
import { timeText } from "../terminal.ts";

/** Connectors as people read them. */

export function statusTable(statuses: readonly ConnectorStatus[]): string {
  const heads = [
    { head: "id", whole: true },
    ...["state", "direction", "next run", "last run"].map((head) => ({ head })),
    ...["failures", "dead letters"].map((head) => ({ head, align: "right" as const })),
  ];
  const rows = statuses.map((status) => [
    status.id,
    stateText(status),
    status.direction ?? "",
    status.nextRunAt === null ? "on demand" : timeText(status.nextRunAt),
    lastText(status),
    String(status.failures),
    String(status.deadLetters),
  ]);
  return columns(heads, rows);
}

export function statusDetails(status: ConnectorStatus): string {
  const { invalid, nextRunAt, succeededAt, failures, imported, records, deadLetters, lastRun } = status;
  const lines: readonly [string, string | number | null][] = [
    ["state", stateText(status)],
    ["why", invalid],
    ["defined", status.origin === "settings" ? "in the settings file" : "over the API"],
    ["direction", status.direction],
    ["next run", nextRunAt === null ? "on demand" : timeText(nextRunAt)],
    ["last run", lastRun === null ? "none yet" : lastText(status)],
    ["", lastRun === null ? null : countsText(lastRun.counts)],
    ["", lastRun?.error ? `${lastRun.error.code}: ${lastRun.error.message}` : null],
    ["last success", succeededAt === null ? null : timeText(succeededAt)],
    ["failures in a row", failures],
    ["imported", imported],
    [
      "texts",
      records === null
        ? null
        : Object.entries(records)
            .map(([name, count]) => `${count} ${name}`)
            .join(", "),
    ],
    ["dead letters", deadLetters],
  ];
  const told = lines.filter(([, value]) => value !== null);
  const width = Math.max(...told.map(([name]) => name.length));
  return told.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join("\n");
}

export function runTable(runs: readonly ConnectorRun[]): string {
  const heads = [
    { head: "id", whole: true },
    ...["state", "scope", "began", "seconds", "counts", "error"].map((head) => ({ head })),
  ];
  const rows = runs.map(({ id, state, scope, startedAt, endedAt, counts, error }) => [
    ...[id, state, scope, startedAt === null ? "" : timeText(startedAt)],
    startedAt === null || endedAt === null ? "" : ((endedAt - startedAt) / 1_000).toFixed(1),
    ...[countsText(counts), error === null ? "" : `${error.code}: ${error.message}`],
  ]);
  return columns(heads, rows);
}

export function countsText({ media, bytes, ...items }: RunCounts): string {
  const told = Object.entries(items).filter(([name, value]) => name === "read" || value > 0);
  const texts = told.map(([name, value]) => `${value} ${name}`);
  return (media > 0 ? [...texts, fetchedText({ media, bytes })] : texts).join(", ");
}

/** `2 files fetched (20,480 bytes)` */
export function fetchedText({ media, bytes }: Pick<RunCounts, "media" | "bytes">): string {
  return `${counted(media, "file")} fetched (${counted(bytes, "byte")})`;
}

/** Findings: something that an operator looks into. */
export function statusExit({ state, deadLetters, failures, pausedBecause }: ConnectorStatus): ExitCode {
  const isTrouble = state === "invalid" || pausedBecause === "authentication" || deadLetters > 0 || failures > 0;
  return isTrouble ? EXIT.findings : EXIT.ok;
}

function stateText({ state, pausedBecause }: ConnectorStatus): string {
  return pausedBecause === "authentication" ? `${state} (the service does not take the key)` : state;
}

function lastText({ lastRun }: ConnectorStatus): string {
  if (lastRun === null) return "";
  return lastRun.startedAt === null ? lastRun.state : `${lastRun.state} ${timeText(lastRun.startedAt)}`;
}
