import { Gauge, type Registry } from "prom-client";
import { METRIC_PREFIX } from "../runtime/metric-base.ts";
import type { EventStreams } from "./event-streams.ts";

type Streams = Pick<EventStreams, "open">;

/** The services of each registry: two services may share one synchronizer, and a registry takes each name once. */
const shown = new WeakMap<Registry, Set<Streams>>();

/**
 * Shows how many streams of events, and requests that wait for changes, the services of this registry have open.
 * @returns ends it for this service.
 */
export function showStreams(registry: Registry, streams: Streams): () => void {
  const services = shown.get(registry) ?? register(registry);
  services.add(streams);
  return () => void services.delete(streams);
}

function register(registry: Registry): Set<Streams> {
  const services = new Set<Streams>();
  shown.set(registry, services);
  new Gauge({
    name: `${METRIC_PREFIX}event_streams_open`,
    help: "Streams of events, and requests that wait for changes",
    registers: [registry],
    collect() {
      let open = 0;
      for (const streams of services) open += streams.open;
      this.set(open);
    },
  });
  return services;
}
