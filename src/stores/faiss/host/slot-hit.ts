export interface SlotHit {
  readonly slot: number;
  readonly score: number;
}
