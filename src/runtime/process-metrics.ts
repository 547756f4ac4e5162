import { collectDefaultMetrics, Registry } from "prom-client";

let registry: Registry | null = null;

/**
 * Node's own metrics: event loop lag, memory, garbage collection, CPU. One set per process however many synchronizers
 * it has, since prom-client cannot remove the observers behind them.
 */
export function processMetrics(): Registry {
  if (registry === null) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}
