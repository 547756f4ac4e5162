import { defined } from "../domain/settings.ts";
import type { RetentionRule, RetentionRules } from "./retention-statements.ts";
import type { RetentionSettings } from "./settings.ts";

/** The rules that the settings say. */
export function retentionRules(options: {
  readonly historyVersionsMax: number;
  readonly tombstoneRetentionMs: number;
  readonly retention: RetentionSettings;
}): RetentionRules {
  const { historyMs, evidenceMs, namespaces } = options.retention;
  const { historyVersionsMax, tombstoneRetentionMs: tombstoneMs } = options;
  const general: RetentionRule = { historyVersionsMax, historyMs, evidenceMs, tombstoneMs };
  return {
    general,
    byNamespace: new Map(namespaces.map(({ namespace, ...own }) => [namespace, { ...general, ...defined(own) }])),
  };
}

export function ruleOf({ general, byNamespace }: RetentionRules, namespace: string): RetentionRule {
  return byNamespace.get(namespace) ?? general;
}

/** The largest number of replaced versions that a namespace keeps. */
export function historyVersionsMaxOf({ general, byNamespace }: RetentionRules): number {
  return Math.max(general.historyVersionsMax, ...[...byNamespace.values()].map((rule) => rule.historyVersionsMax));
}

/** The shortest time that a namespace keeps tombstones, in milliseconds; null: all keep them for good. */
export function shortestTombstoneMs({ general, byNamespace }: RetentionRules): number | null {
  const times = [general, ...byNamespace.values()].map(({ tombstoneMs }) => tombstoneMs).filter((time) => time > 0);
  return times.length === 0 ? null : Math.min(...times);
}

/** Whether the rules say more than the number of replaced versions that all namespaces have in common. */
export function hasMoreThanNumber({ general, byNamespace }: RetentionRules): boolean {
  return byNamespace.size > 0 || general.historyMs > 0 || general.evidenceMs > 0;
}
