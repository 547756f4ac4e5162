import type { ConnectorRun } from "../../connectors/hosted/run-view.ts";
import { connectorRunDocument } from "../../documents/connector-documents.ts";
import type { Connectors } from "../../index.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { startProgress } from "../progress.ts";
import { countsText } from "./connector-texts.ts";

/** Milliseconds that a run may wait for a node before the command says so. */
const UNBEGUN_MS = 5_000;

const EXIT_OF: Readonly<Record<ConnectorRun["state"], ExitCode>> = {
  succeeded: EXIT.ok,
  partial: EXIT.partial,
  failed: EXIT.failed,
  cancelled: EXIT.failed,
  interrupted: EXIT.failed,
  queued: EXIT.failed,
  running: EXIT.failed,
};

/** Waits until a run has ended, and shows how it goes. An interrupted command lets a run of another node go on. */
export async function untilEnded(
  connectors: Connectors,
  id: string,
  runId: string,
  { signal, note, flags }: Invocation,
): Promise<ConnectorRun> {
  const progress = await startProgress(`connector ${id}`, null, "{state}  {counts}");
  const unbegun = setTimeout(() => {
    note("no node has begun the run yet: one with connectors.enabled must serve, or give --here");
  }, UNBEGUN_MS);
  // The end of the command ends a run of its own: its process must live until then.
  const cancel = (): void => {
    if (flags.here !== true) return;
    connectors.cancel(id).catch((error: unknown) => note(`the run was not cancelled: ${(error as Error).message}`));
  };
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  let last: ConnectorRun | null = null;
  try {
    for await (const run of connectors.watch(id, runId, flags.here === true ? {} : { signal })) {
      if (run.state !== "queued") clearTimeout(unbegun);
      last = run;
      progress.update(run.counts.read, { state: run.state, counts: countsText(run.counts) });
    }
  } finally {
    clearTimeout(unbegun);
    signal.removeEventListener("abort", cancel);
    progress.stop();
  }
  return last ?? (await connectors.run(id, runId));
}

export function ranResult(run: ConnectorRun): CommandResult {
  const { state, counts, error, delivery, isDryRun } = run;
  const halves = [state, ...(delivery === null ? [] : [delivery.state])];
  const exitCode = Math.max(...halves.map((half) => (half === "partial" ? 1 : EXIT_OF[half] === EXIT.ok ? 0 : 2)));
  const lines = [
    `${isDryRun ? "would be: " : ""}${state}: ${countsText(counts)}`,
    ...(error === null ? [] : [`${error.code}: ${error.message}`]),
    ...(delivery === null ? [] : [`delivery ${delivery.state}: ${countsText(delivery.counts)}`]),
    ...(delivery?.error ? [`${delivery.error.code}: ${delivery.error.message}`] : []),
  ];
  const code = exitCode === 0 ? EXIT.ok : exitCode === 1 ? EXIT.partial : EXIT.failed;
  return { exitCode: code, json: connectorRunDocument(run), text: lines.join("\n") };
}
