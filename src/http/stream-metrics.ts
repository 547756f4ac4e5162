import { Gauge, type Registry } from "prom-client";
import { METRIC_PREFIX } from "../runtime/metric-base.ts";
import type { EventStreams } from "./event-streams.ts";

/** Shows how many streams of events, and requests that wait for changes, this service has open. */
export function showStreams(registry: Registry, streams: Pick<EventStreams, "open">): void {
  new Gauge({
    name: `${METRIC_PREFIX}event_streams_open`,
    help: "Streams of events, and requests that wait for changes",
    registers: [registry],
    collect() {
      this.set(streams.open);
    },
  });
}
