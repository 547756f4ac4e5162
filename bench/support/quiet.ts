import { setTimeout as pause } from "node:timers/promises";
import { cpuBetween, cpuSplit } from "./cpu.ts";
import { collectYoungGarbage } from "./garbage.ts";

const LOOK_MS = 60;
/** Looks at which nothing may have happened. */
const QUIET_LOOKS = 2;

/**
 * Waits until the servers and index hosts of this run do nothing any more: what one contender put off must not be paid
 * for by the next. Gives up after `timeoutMs`, since a server may have work of its own.
 * @returns whether it became quiet.
 */
export async function untilQuiet(timeoutMs = 3_000): Promise<boolean> {
  collectYoungGarbage();
  const end = performance.now() + timeoutMs;
  let before = cpuSplit();
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    if (performance.now() > end) return false;
    await pause(LOOK_MS);
    const after = cpuSplit();
    const { postgres, redis, faiss } = cpuBetween(before, after);
    // A tick of the clock, which is a hundredth of a second, is what looking at them may cost.
    quiet = postgres + redis + faiss <= 0.011 ? quiet + 1 : 0;
    before = after;
  }
  return true;
}
