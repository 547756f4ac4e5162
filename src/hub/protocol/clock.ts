/**
 * The time of a change by the hub's clock. The device's clock may be hours off; the difference is taken to be what it was
 * when the device sent the change, as the hub received it.
 * @param modifiedAt milliseconds since 1970 by the device's clock: when the change was made.
 * @param sentAt the same clock: when it was sent, this time.
 * @param receivedAt milliseconds since 1970 by the hub's clock: when it arrived.
 * @returns milliseconds since 1970 by the hub's clock, never later than `receivedAt`: a change was made before it arrived,
 *   whatever a clock that was set in between says. Never before 1970.
 */
export function correctedTime(modifiedAt: number, sentAt: number, receivedAt: number): number {
  return Math.min(Math.max(0, Math.round(modifiedAt + (receivedAt - sentAt))), receivedAt);
}

/** Milliseconds by which the device's clock is ahead of the hub's; negative: behind. Right to the time of the journey. */
export function clockSkewMs(sentAt: number, receivedAt: number): number {
  return sentAt - receivedAt;
}
