import type { HubError } from "../../hub/protocol/codes.ts";
import type { SyncingOptions } from "./results.ts";

/** The hub answered `RESYNC_REQUIRED`: takes what it says of itself now, and begins to read everything anew. */
export async function beginResync(
  { port, link, now }: Pick<SyncingOptions, "port" | "link" | "now">,
  error: HubError,
  signal: AbortSignal,
): Promise<void> {
  link.forget();
  const before = await port.state();
  await link.meet(signal); // Another epoch begins the resync by itself.
  if (error.resync?.reason === "tombstones" && (await port.state()).epoch === before.epoch) {
    await port.beginResync("tombstones", before.epoch, now());
  }
}
