import type { FuzzReport } from "./fuzz.ts";
import { VIOLATION_KINDS } from "./judge.ts";
import type { LivenessReport } from "./liveness.ts";
import type { MemoryReading } from "./memory-course.ts";

/** The report for people. */
export function describe(report: FuzzReport): string[] {
  const { seed, requests, seconds, statuses, violations, violationsTotal, explained5xx } = report;
  const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`);
  return [
    `seed ${seed}: ${requests} requests in ${seconds} s, ${violationsTotal} broken promises`,
    `  ${VIOLATION_KINDS.map((kind) => `${kind} ${report.violationsByKind[kind]}`).join(", ")}`,
    `answers by status: ${counts.join(", ")}`,
    `5xx with a reason: ${explained5xx}; answered 2xx on the tour alone: ${report.onlyOnTour.join(", ") || "none"}`,
    ...describeLiveness(report.liveness),
    ...describeMemory(report.memory),
    ...violations.map((violation) => `  broken: ${violation}`),
  ];
}

function describeLiveness(liveness: LivenessReport): string[] {
  const { looks, slowestHealthzMs, longestHoldMs, longestCollectionMs, collectionKind, probeHoldMs, slowest } =
    liveness;
  return [
    `slowest /healthz: ${slowestHealthzMs} ms of ${looks} looks, made by a process of its own`,
    `  the service's event loop stood for ${longestHoldMs} ms at most (a garbage collection, ${collectionKind}: ${longestCollectionMs}), the probe's for ${probeHoldMs}`,
    ...slowest.map(({ ms, text }) => `  slow look: ${ms} ms ${text}`),
  ];
}

/** In MiB, after forced collections. */
function describeMemory(memory: readonly MemoryReading[]): string[] {
  const row = (name: string, of: (reading: MemoryReading) => number): string =>
    `  ${name.padEnd(24)}${memory.map((reading) => String(of(reading)).padStart(7)).join("")}`;
  return [
    "memory of the service in MiB, after a collection, by thousands of requests:",
    row("requests", ({ sent }) => Math.round(sent / 1_000)),
    row("resident", ({ rss }) => rss),
    row("heap in use", ({ heapUsed }) => heapUsed),
    row("heap reserved", ({ heapTotal }) => heapTotal),
    row("buffers", ({ arrayBuffers }) => arrayBuffers),
    row("neither", ({ rss, heapTotal, external }) => rss - heapTotal - external),
  ];
}
