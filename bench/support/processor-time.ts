import type { FreeTable } from "../harness/scenario.ts";
import { type CpuSplit, cpuBetween, cpuSplit } from "./cpu.ts";
import { untilQuiet } from "./quiet.ts";
import { median } from "./statistics.ts";
import { rate } from "./timed.ts";

/** Who used how much of the processor, what was put off until after the answer included. */
export class ProcessorTime {
  readonly #spent = new Map<string, CpuSplit[]>();

  add(contender: string, count: number, { node, postgres, redis, faiss }: CpuSplit): void {
    const each = (seconds: number): number => (seconds / count) * 1e6;
    const spent = { node: each(node), postgres: each(postgres), redis: each(redis), faiss: each(faiss) };
    this.#spent.set(contender, [...(this.#spent.get(contender) ?? []), spent]);
  }

  table(): FreeTable {
    const columns = ["processor time per memory, µs", "program", "PostgreSQL", "Redis", "FAISS process", "together"];
    const rows = [...this.#spent].map(([contender, spent]) => {
      const parts = (["node", "postgres", "redis", "faiss"] as const).map((part) =>
        median(spent.map((split) => split[part])),
      );
      const together = parts.reduce((sum, part) => sum + part, 0);
      return [contender, ...[...parts, together].map((microseconds) => microseconds.toFixed(0))];
    });
    return { columns, rows };
  }
}

/** Items per second, and who paid for them. */
export async function rateWithProcessor(
  name: string,
  count: number,
  processor: ProcessorTime | undefined,
  work: () => Promise<unknown>,
): Promise<number> {
  if (processor === undefined) return await rate(count, work);
  let before = cpuSplit();
  let own = 0;
  const perSecond = await rate(count, async () => {
    before = cpuSplit();
    await work();
    own = cpuSplit().node - before.node;
  });
  await untilQuiet();
  processor.add(name, count, { ...cpuBetween(before, cpuSplit()), node: own });
  return perSecond;
}
