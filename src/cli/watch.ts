import type { Status } from "../index.ts";
import { pause } from "../runtime/deadline.ts";
import type { CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit.ts";
import { withSynchronizer } from "./session.ts";

/** Clears the screen and moves the cursor to its upper left corner. */
const CLEAR = "\u001b[2J\u001b[H";

/** Prints the status every `everyMs` until the invocation is stopped: in place on a terminal, else one after another. */
export async function watchStatus(
  invocation: Invocation,
  everyMs: number,
  text: (status: Status) => string,
): Promise<CommandResult> {
  const { signal, json } = invocation;
  await withSynchronizer(invocation, async (sync) => {
    while (!signal.aborted) {
      const status = await sync.status({ signal });
      const at = new Date().toISOString();
      if (json) process.stdout.write(`${JSON.stringify({ at, ...status })}\n`);
      else process.stdout.write(`${process.stdout.isTTY ? CLEAR : ""}${at}\n${text(status)}\n\n`);
      await pause(everyMs, signal);
    }
  });
  return { exitCode: EXIT.ok, json: undefined, text: "" };
}
