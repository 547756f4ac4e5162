/**
 * Collects the garbage that lies about already, before the clock runs: that of the young generation. A collection of everything would
 * be more than anybody's program goes through: the engine drops code that it compiled, since that holds weakly what it was compiled for,
 * and the next thousands of calls are measured beside its compiler.
 */
export function collectYoungGarbage(): void {
  const collect = globalThis.gc as ((options: { type: "minor" }) => void) | undefined;
  collect?.({ type: "minor" });
}
