/** One sample line of the text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary" | "untyped";
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];

/**
 * Reads Prometheus' text format (0.0.4), strictly: every family has HELP and TYPE before its samples, stands in one
 * block, no series appears twice, histograms are complete and cumulative, and the text ends with a line feed.
 * @throws {Error} naming the line.
 */
export function parsePrometheusText(text: string): Map<string, MetricFamily> {
  if (!text.endsWith("\n")) throw new Error("the text does not end with a line feed");
  const families = new Map<string, MetricFamily & { samples: Sample[] }>();
  let current: { name: string; help: string; type: MetricFamily["type"] | null; samples: Sample[] } | null = null;
  const seen = new Set<string>();
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    const fail = (reason: string): never => {
      throw new Error(`line ${index + 1}: ${reason}: ${line}`);
    };
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      if (!NAME.test(name)) fail("not a metric name");
      if (kind === "HELP") {
        if (families.has(name)) fail("a family appears twice");
        if (/\\(?![\\n])/.test(rest)) fail("bad escape in HELP");
        current = { name, help: rest, type: null, samples: [] };
      } else {
        if (current === null || current.name !== name || current.type !== null) fail("TYPE without its HELP before it");
        if (!TYPES.includes(rest)) fail("unknown type");
        const family: MetricFamily & { samples: Sample[] } = { ...current!, type: rest as MetricFamily["type"] };
        current = family;
        families.set(name, family);
      }
      continue;
    }
    if (line.startsWith("#")) continue;
    const sample = parseSample(line, fail);
    if (current === null || current.type === null) fail("a sample before its TYPE");
    if (!belongs(sample.name, current!.name, current!.type!)) fail(`a sample of another family than ${current!.name}`);
    const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(series)) fail("a series appears twice");
    seen.add(series);
    current!.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

/** Value of one series; undefined when it is not there. */
export function sampleValue(
  families: Map<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(count|sum|bucket)$/, ""));
  return family?.samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;
}

/** Sum over all series of a name whose labels include `labels`. */
export function sampleSum(
  families: Map<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(count|sum|bucket)$/, ""));
  return (family?.samples ?? [])
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((total, sample) => total + sample.value, 0);
}

function parseSample(line: string, fail: (reason: string) => never): Sample {
  const parts = /^([^\s{]+)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$/.exec(line);
  if (parts === null) return fail("not a sample");
  const [, name = "", labelText = "", valueText = ""] = parts;
  if (!NAME.test(name)) fail("not a metric name");
  const labels: Record<string, string> = {};
  let rest = labelText;
  while (rest !== "") {
    const label = /^([^=]+)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (label === null) return fail("bad labels");
    const [whole, labelName = "", value = ""] = label;
    if (!LABEL_NAME.test(labelName)) fail("not a label name");
    if (labelName in labels) fail("a label appears twice");
    labels[labelName] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  const value = valueText === "Nan" || valueText === "NaN" ? Number.NaN : Number(valueText.replace("Inf", "Infinity"));
  if (!/^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|Nan|[+-]?Inf)$/.test(valueText)) fail("not a number");
  return { name, labels, value };
}

function belongs(sample: string, family: string, type: MetricFamily["type"]): boolean {
  if (type === "histogram") return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(sample);
  if (type === "summary") return [family, `${family}_sum`, `${family}_count`].includes(sample);
  return sample === family;
}

function checkHistogram(family: MetricFamily): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of family.samples) {
    const { le: _, ...others } = sample.labels;
    const key = JSON.stringify(Object.entries(others).sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, samples] of groups) {
    const buckets = samples.filter(({ name }) => name.endsWith("_bucket"));
    const count = samples.find(({ name }) => name.endsWith("_count"))?.value;
    const bounds = buckets.map(({ labels }) => Number(labels.le?.replace("+Inf", "Infinity")));
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${family.name}${key} has no +Inf bucket`);
    buckets.forEach((bucket, index) => {
      const before = buckets[index - 1]?.value ?? 0;
      if (bucket.value < before || (index > 0 && bounds[index]! <= bounds[index - 1]!)) {
        throw new Error(`${family.name}${key} is not cumulative`);
      }
    });
    if (buckets.at(-1)?.value !== count) throw new Error(`${family.name}${key}: count differs from its +Inf bucket`);
    if (!samples.some(({ name }) => name.endsWith("_sum"))) throw new Error(`${family.name}${key} has no sum`);
  }
}
