/** Shows on standard error how far a long piece of work is. */
export interface Progress {
  /** @param figures what the line shows beside the bar, by the names in its format. */
  update(value: number, figures?: Readonly<Record<string, string>>): void;
  stop(): void;
}

const nothing: Progress = { update: () => undefined, stop: () => undefined };

/**
 * A line that is redrawn in place from the first update on, when standard error is a terminal; else nothing at all.
 * @param total where the value ends; null when nobody knows: then there are figures and no bar.
 * @param figures format of what stands beside the bar, such as `{read} lines`.
 */
export async function startProgress(what: string, total: number | null, figures: string): Promise<Progress> {
  if (!process.stderr.isTTY) return nothing;
  const { lineOf } = await import("./progress-line.ts"); // Services and scripts need not wait for it to load.
  const bar = total === null ? "" : "{bar} {percentage}%  ";
  const line = lineOf(`${what}  ${bar}${figures}`);
  let started = false;
  return {
    update: (value, shown = {}) => {
      if (!started) line.start(total ?? 0, value, shown);
      started = true;
      line.update(value, shown);
    },
    stop: () => line.stop(),
  };
}
