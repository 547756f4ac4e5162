/** The push that changes came with. */
export interface PushHead {
  readonly device: string;
  readonly epoch: string;
  readonly sentAt: number;
  /** By the hub's clock. */
  readonly receivedAt: number;
  /** Keys that the push calls settled; null: none of this epoch. */
  readonly settledThrough: string | null;
}
