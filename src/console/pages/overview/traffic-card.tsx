import type { Sample, Status } from "../../api/documents.ts";
import { Card } from "../../components/card.tsx";
import { Sparkline } from "../../components/sparkline.tsx";
import { short, whole } from "../../text/numbers.ts";
import { clockTime, duration } from "../../text/time.ts";
import { largestLag } from "./figures.ts";

export interface TrafficProps {
  readonly samples: readonly Sample[];
  readonly status: Status;
}

/** The figures of now and the lines of the last hour. */
export function TrafficCard({ samples, status: { backlog } }: TrafficProps) {
  const latest = samples.at(-1);
  const since = samples[0] === undefined ? null : `since ${clockTime(samples[0].at)}`;
  const lag = latest === undefined ? null : largestLag(latest);
  return (
    <Card title="Traffic and backlog" aside={<span class="hint">{since ?? "no readings yet"}, this node</span>}>
      <div class="figures">
        <Figure
          name="Writes per second"
          value={perSecond(latest?.writesPerSecond)}
          values={samples.map((sample) => sample.writesPerSecond)}
          format={perSecond}
        />
        <Figure
          name="Searches per second"
          value={perSecond(latest?.searchesPerSecond)}
          values={samples.map((sample) => sample.searchesPerSecond)}
          format={perSecond}
        />
        <Figure
          name="Queue"
          value={short(backlog.pending)}
          note={`${whole(backlog.failed)} failed, ${whole(backlog.dead)} given up`}
          values={samples.map((sample) => sample.pending)}
          format={short}
          tone={backlog.dead > 0 ? "bad" : backlog.failed > 0 ? "warning" : "accent"}
        />
        <Figure
          name="Largest lag of a store"
          value={lag === null ? "unknown" : duration(lag)}
          values={samples.map(largestLag)}
          format={duration}
        />
      </div>
    </Card>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly values: readonly (number | null)[];
  readonly format: (value: number) => string;
  readonly tone?: "accent" | "warning" | "bad";
}

function Figure({ name, value, note, values, format, tone = "accent" }: FigureProps) {
  const known = values.filter((each) => each !== null);
  const highest = known.length === 0 ? null : format(Math.max(...known));
  const label = `${name}: now ${value}, highest of the last hour ${highest ?? "unknown"}`;
  return (
    <div class="figure">
      <h3>{name}</h3>
      <p class="figure-value">{value}</p>
      <p class="hint">{[note, highest !== null && `highest of the hour: ${highest}`].filter(Boolean).join("; ")}</p>
      <Sparkline values={values} label={label} tone={tone} />
    </div>
  );
}

function perSecond(value: number | undefined): string {
  if (value === undefined) return "unknown";
  return value > 0 && value < 10 ? value.toFixed(1) : short(value);
}
