/** Counts the turns of the event loop that `work` takes. */
export async function turnsOf<Result>(work: () => Promise<Result>): Promise<{ result: Result; turns: number }> {
  let turns = 0;
  let immediate = setImmediate(function next() {
    turns++;
    immediate = setImmediate(next);
  });
  try {
    return { result: await work(), turns };
  } finally {
    clearImmediate(immediate);
  }
}

/** A clock that moves on by more than a turn's share at each look. */
export function hurriedClock(): () => number {
  let now = 0;
  return () => (now += 5);
}
