import type { FileContext } from "./context.ts";

/** How far an edge and its hub know each other. */
export interface SyncState {
  readonly device: string;
  readonly epoch: string | null;
  readonly cursor: string | null;
  readonly isPaused: boolean;
  /** Changes that were sent and whose answer is not known, those under way among them. */
  readonly unanswered: number;
}

/** How the last contact with the hub went. */
export interface HubContact {
  readonly at: number;
  /** `online`: it answered. `offline`: it did not, or could not serve. `refused`: it refused the device or its key. */
  readonly state: "online" | "offline" | "refused";
  readonly code: string | null;
  readonly message: string | null;
}

export function readSyncState({ facts, file }: FileContext): SyncState {
  return {
    device: facts.get("device") as string,
    epoch: facts.get("epoch"),
    cursor: facts.get("cursor"),
    isPaused: facts.get("paused") === "1",
    unanswered: file.get<{ n: number }>("select count(*) as n from outbox where status = 'sent'")?.n ?? 0,
  };
}
