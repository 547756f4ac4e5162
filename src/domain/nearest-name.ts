/** Shorter names than this are no hint as the beginning of another name. */
const PREFIX_LENGTH_MIN = 4;

/**
 * The one of `names` that `name` was most likely meant to be, for "did you mean"; null where none is near enough. Near
 * means: at most about a third of the characters differ (beside what all names begin with), or one begins with the
 * other.
 */
export function nearestName(name: string, names: readonly string[]): string | null {
  const [first, ...others] = names;
  if (first === undefined) return null;
  const shared = [name, ...others].reduce(sharedPrefix, first).length;
  const wanted = name.slice(shared).toLowerCase();
  const scored = names.map((candidate) => {
    const rest = candidate.slice(shared).toLowerCase();
    const distance = editDistance(wanted, rest);
    const isHint = Math.min(wanted.length, rest.length) >= PREFIX_LENGTH_MIN;
    const begins = isHint && (wanted.startsWith(rest) || rest.startsWith(wanted));
    return { candidate, distance, isNear: begins || distance * 3 <= Math.max(wanted.length, rest.length) + 1 };
  });
  return scored.filter(({ isNear }) => isNear).sort((a, b) => a.distance - b.distance)[0]?.candidate ?? null;
}

function sharedPrefix(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return a.slice(0, length);
}

/** Levenshtein distance: fewest insertions, deletions and replacements of a character. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
