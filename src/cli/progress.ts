/** Shows the progress of long work on standard error. */
export interface Progress {
  /** @param figures the values beside the bar, by the names in its format. */
  update(value: number, figures?: Readonly<Record<string, string>>): void;
  stop(): void;
}

const nothing: Progress = { update: () => undefined, stop: () => undefined };

/**
 * A line that is redrawn in place from the first update on, if standard error is a terminal; otherwise nothing.
 * @param total the final value; null if unknown: then the line has figures and no bar.
 * @param figures format of the text beside the bar, such as `{read} lines`.
 */
export async function startProgress(what: string, total: number | null, figures: string): Promise<Progress> {
  if (!process.stderr.isTTY) return nothing;
  const { lineOf } = await import("./progress-line.ts"); // Not loaded by services and scripts, which show no progress.
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
