import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PROCESS = fileURLToPath(new URL("./stand-in-process.ts", import.meta.url));

/** A stand-in for Memory Space in a process of its own. */
export interface StandIn {
  readonly url: string;
  /** Whose items it has. */
  readonly context: string;
  close(): Promise<void>;
}

/**
 * Starts one with so many items. For a measurement in whose process answers are timed: the stand-in looks at all items for each
 * listing, and what it holds its event loop for would count as the time of whatever is asked for meanwhile.
 */
export async function startStandIn(items: number): Promise<StandIn> {
  const child = fork(PROCESS, [String(items)]);
  const exited = once(child, "exit");
  const [answer] = await Promise.race([
    once(child, "message"),
    exited.then(([code]) => Promise.reject(new Error(`the stand-in for Memory Space ended with ${code}`))),
  ]);
  return {
    ...(answer as Pick<StandIn, "url" | "context">),
    close: async () => {
      child.disconnect();
      await exited;
    },
  };
}
