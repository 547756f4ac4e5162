/** How far an edge and its hub know each other. */
export interface SyncState {
  readonly device: string;
  readonly epoch: string | null;
  readonly cursor: string | null;
  readonly isPaused: boolean;
  /** Whether a change was sent whose answer is not known. */
  readonly hasUnanswered: boolean;
}

/** How the last contact with the hub went. */
export interface HubContact {
  readonly at: number;
  /** `online`: it answered. `offline`: it did not, or could not serve. `refused`: it refused the device or its key. */
  readonly state: "online" | "offline" | "refused";
  readonly code: string | null;
  readonly message: string | null;
}
