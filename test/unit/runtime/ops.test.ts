import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { edgeMetrics } from "../../../src/edge/metrics.ts";
import { showStreams } from "../../../src/http/stream-metrics.ts";
import { SESSION_EVENTS } from "../../../src/mcp/metrics.ts";
import { processMetrics } from "../../../src/runtime/process-metrics.ts";
import { allMetrics } from "../../support/all-metrics.ts";

/** Goal: what ops/ asks Prometheus for is there to be asked for: metrics, labels and their values. */

const folder = new URL("../../../ops/", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, folder), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels?: { severity?: string };
  readonly annotations?: { summary?: string; description?: string };
}

const rules = (parse(read("prometheus/alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(read("grafana/dashboards/mnemosync.json")) as {
  panels: { title: string; targets?: { expr: string }[] }[];
};
const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
];

/** Names of metrics as they are scraped, with the labels each has. */
function known(): Map<string, ReadonlySet<string>> {
  const metrics = allMetrics();
  showStreams(metrics.registry, { open: 0 });
  const names = new Map<string, ReadonlySet<string>>([["up", new Set(["job", "instance"])]]);
  const edge = edgeMetrics(() => Promise.reject(new Error("no edge is open")));
  for (const registry of [metrics.registry, processMetrics(), edge.base.registry]) {
    for (const metric of registry.getMetricsAsArray()) {
      const {
        name,
        labelNames = [],
        type,
      } = metric as unknown as { name: string; labelNames?: string[]; type?: unknown };
      const isHistogram = "buckets" in metric || String(type) === "histogram";
      const labels = new Set([...labelNames, "job", "instance"]);
      if (!isHistogram) names.set(name, labels);
      else {
        names.set(`${name}_bucket`, new Set([...labels, "le"]));
        for (const suffix of ["_sum", "_count"]) names.set(`${name}${suffix}`, labels);
      }
    }
  }
  return names;
}

const METRIC = /\b((?:mnemosync|nodejs|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?/g;

test.each(expressions)("$where asks for metrics and labels that exist: $expr", ({ expr }) => {
  const names = known();
  const used = [...expr.matchAll(METRIC)];
  expect(used.length).toBeGreaterThan(0);
  const labels = new Set<string>();
  for (const [, name = "", matchers = ""] of used) {
    expect([...names.keys()]).toContain(name);
    for (const label of names.get(name) ?? []) labels.add(label);
    for (const [, label = ""] of matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)) {
      expect([...(names.get(name) ?? [])], `${name} has no label ${label}`).toContain(label);
    }
  }
  for (const [, list = ""] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of list.split(",").map((text) => text.trim())) expect([...labels]).toContain(label);
  }
});

test("label values in matchers are values that occur", () => {
  const values: Record<string, readonly string[]> = {
    state: ["pending", "failed", "dead", "live", "tombstone", "idle", "busy", "waiting", "shared", "refused"],
    outcome: ["synced", "degraded", "unchanged", "conflict", "failed", "repaired", "deferred", "healthy", "down"],
    job: ["mnemosync"],
    event: SESSION_EVENTS,
    replica: ["ok", "behind", "unavailable", "off"],
  };
  for (const { expr } of expressions) {
    for (const [, label = "", value = ""] of expr.matchAll(/([a-z_]+)=~?"([^"$]*)"/g)) {
      for (const one of value.split("|")) expect(values[label]).toContain(one);
    }
  }
});

test("there is an alert for each thing that an operator must learn of, with a severity and a summary", () => {
  const required = [
    ...["StoreDown", "BacklogGrowing", "OldestPending", "DriftFound", "NoCleanCheck", "DeadLetters"],
    ...["FeedHorizonHeldBack", "EventLoopLag", "EdgeSyncStuck"],
  ];
  expect(rules.map(({ alert }) => alert)).toEqual(expect.arrayContaining(required.map((name) => `Mnemosync${name}`)));
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { labels, annotations } of rules) {
    expect(["warning", "critical"]).toContain(labels?.severity);
    expect(annotations?.summary?.length).toBeGreaterThan(10);
    expect(annotations?.description?.length).toBeGreaterThan(10);
  }
});

test("every metric of ours is on the dashboard", () => {
  const shown = new Set(expressions.flatMap(({ expr }) => [...expr.matchAll(METRIC)].map(([, name]) => name)));
  const families = new Set([...known().keys()].map((name) => name.replace(/_(bucket|sum|count)$/, "")));
  for (const family of families) {
    if (!family.startsWith("mnemosync_")) continue;
    const asked = [family, `${family}_bucket`, `${family}_sum`, `${family}_count`].some((name) => shown.has(name));
    expect([family, asked]).toEqual([family, true]);
  }
});

test("compose mounts and scrapes what is there", () => {
  const compose = parse(read("../docker-compose.yml")) as { services: Record<string, { volumes?: string[] }> };
  expect(Object.keys(compose.services).sort()).toEqual(["grafana", "mnemosync", "postgres", "prometheus", "redis"]);
  const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
  for (const path of mounted.map((volume) => volume.split(":")[0] ?? "").filter((path) => path.startsWith("./ops/"))) {
    if (path !== "./ops/keys.json") expect(() => readFileSync(new URL(`../${path}/`, folder))).toThrow(/EISDIR/);
  }
  const { rule_files, scrape_configs } = parse(read("prometheus/prometheus.yml")) as {
    rule_files: string[];
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  expect(rule_files).toEqual(["alerts.yml"]);
  expect(scrape_configs[0]?.static_configs[0]?.targets).toEqual(["mnemosync:8420"]);
});
