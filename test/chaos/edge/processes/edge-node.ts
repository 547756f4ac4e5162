/**
 * Goal: an edge that dies as a process dies. The process of one edge: it does what its parent asks, by a clock that its parent
 * moves, and kills itself with -9 at the step of a sync that its parent names. It imports types alone, so that it can be started
 * without a compiler.
 */
import type { EdgeStore } from "../../../../src/edge/index.ts";
import type { EdgeNodeAnswer, EdgeNodeCommand, EdgeNodeSettings } from "./messages.ts";

const settings = JSON.parse(process.env.EDGE_NODE ?? "") as EdgeNodeSettings;
const { EdgeStore: Store } = (await import(settings.module)) as { EdgeStore: typeof EdgeStore };

let aheadMs = settings.aheadMs;
let dieAt: string | null = null;
let inFlight: Extract<EdgeNodeCommand, { kind: "inFlight" }>["edit"] = null;

function tell(answer: EdgeNodeAnswer): void {
  process.send?.(answer);
}

function pass(step: string): void {
  if (dieAt === step) process.kill(process.pid, "SIGKILL");
}

const edge = await Store.open(settings.options, {
  check: false,
  now: () => Date.now() + aheadMs,
  ...(settings.seesRequests && { fetch: fetchDying }),
});
edge.on("pushed", () => pass("push recorded"));
edge.on("pulled", () => pass("pull applied"));

async function fetchDying(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const url = String(input);
  const step = url.includes("/push") ? "push" : url.includes("/changes") ? "pull" : "identify";
  pass(`${step} asked`);
  if (step === "push") await editInFlight();
  const response = await fetch(input, init);
  // The whole answer is here, and nothing of it is written.
  if (dieAt === `${step} answered`) await response.clone().arrayBuffer();
  pass(`${step} answered`);
  return response;
}

/** The push is frozen, and its answer cannot be recorded before this is done. */
async function editInFlight(): Promise<void> {
  const edit = inFlight;
  inFlight = null;
  if (edit === null) return;
  tell({ kind: "editBegun", before: (await edge.get(edit.memoryId))?.content ?? null });
  await edge.put(edit.memoryId, edit.memory as Parameters<EdgeStore["put"]>[1]);
  tell({ kind: "editAcknowledged" });
}

async function background(maxMs: number): Promise<void> {
  const awaited = new Set<string>(["pushed", "pulled"]);
  let both: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => {
    both = resolve;
  });
  const silence = (["pushed", "pulled"] as const).map((name) =>
    edge.on(name, () => {
      awaited.delete(name);
      if (awaited.size === 0) both();
    }),
  );
  const timer = setTimeout(both, maxMs);
  edge.start();
  await happened;
  clearTimeout(timer);
  for (const off of silence) off();
  await edge.stop();
}

async function answer({ id, name, args }: Extract<EdgeNodeCommand, { kind: "call" }>): Promise<void> {
  try {
    const call = name === "background" ? background : (edge[name] as (...args: never[]) => unknown).bind(edge);
    const result = await call(...(args as never[]));
    tell({ kind: "result", id, result });
  } catch (error) {
    const { name: kind, code = null, message } = error as Error & { code?: string };
    tell({ kind: "error", id, error: { name: kind, code, message } });
  }
}

process.on("message", (command: EdgeNodeCommand) => {
  if (command.kind === "call") void answer(command);
  else if (command.kind === "clock") aheadMs = command.aheadMs;
  else if (command.kind === "dieAt") dieAt = command.step;
  else inFlight = command.edit;
});
process.on("disconnect", () => process.exit(0));
tell({ kind: "ready" });
