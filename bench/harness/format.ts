import type { Target, Unit } from "./scenario.ts";
import { isMet } from "./targets.ts";

/** A figure as a person reads it: three digits that count, thousands apart. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function formatValue(value: number, unit: Unit): string {
  return `${formatNumber(value)} ${unit}`;
}

/** Lowest and highest. */
export function formatSpread(values: readonly number[]): string {
  if (values.length === 0) return "–";
  return `${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))}`;
}

export function formatRatio(ratio: number): string {
  if (!Number.isFinite(ratio)) return "–";
  return ratio.toFixed(ratio < 0.1 && ratio > 0 ? 4 : 2);
}

/** A promise and what became of it, in plain words. */
export function formatTarget(target: Target): string {
  const { what, ratio, kind, bound } = target;
  return `${isMet(target) ? "met" : "NOT met"}: ${what}: ${formatRatio(ratio)}, to be ${kind} ${bound}`;
}
