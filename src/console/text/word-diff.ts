/** A run of text that both sides have, or only one. */
export interface DiffPart {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
}

/** Steps of the search at most: texts that differ in more are told whole. Some 20 ms. */
const EDITS_MAX = 1_500;
/** Words and spaces of both sides, at most. */
const TOKENS_MAX = 40_000;

/**
 * How a text became another, word by word: the fewest words that went and came (Myers 1986).
 * Texts that have too little in common are one removal and one addition.
 */
export function wordDiff(before: string, after: string): DiffPart[] {
  const left = tokensOf(before);
  const right = tokensOf(after);
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (
    end < left.length - start &&
    end < right.length - start &&
    left[left.length - 1 - end] === right[right.length - 1 - end]
  ) {
    end++;
  }
  const middle = edits(left.slice(start, left.length - end), right.slice(start, right.length - end));
  return joined([
    { kind: "same", text: left.slice(0, start).join("") },
    ...middle,
    { kind: "same", text: left.slice(left.length - end).join("") },
  ]);
}

/** Words, runs of spaces, and single other characters. */
function tokensOf(text: string): string[] {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

function edits(left: readonly string[], right: readonly string[]): DiffPart[] {
  const whole: DiffPart[] = [
    { kind: "removed", text: left.join("") },
    { kind: "added", text: right.join("") },
  ];
  if (left.length === 0 || right.length === 0 || left.length + right.length > TOKENS_MAX) return whole;
  const limit = Math.min(left.length + right.length, EDITS_MAX);
  // Of each step the furthest place on each diagonal, to walk back along them.
  const trace: Int32Array[] = [];
  const furthest = new Int32Array(2 * limit + 2);
  for (let step = 0; step <= limit; step++) {
    trace.push(furthest.slice(limit - step, limit + step + 2));
    for (let diagonal = -step; diagonal <= step; diagonal += 2) {
      const at = limit + diagonal;
      const down = diagonal === -step || (diagonal !== step && place(furthest, at - 1) < place(furthest, at + 1));
      let x = down ? place(furthest, at + 1) : place(furthest, at - 1) + 1;
      let y = x - diagonal;
      while (x < left.length && y < right.length && left[x] === right[y]) {
        x++;
        y++;
      }
      furthest[at] = x;
      if (x >= left.length && y >= right.length) return walkBack(trace, left, right);
    }
  }
  return whole;
}

function walkBack(trace: readonly Int32Array[], left: readonly string[], right: readonly string[]): DiffPart[] {
  const parts: DiffPart[] = [];
  let x = left.length;
  let y = right.length;
  for (let step = trace.length - 1; step > 0; step--) {
    const before = trace[step] as Int32Array;
    const at = x - y + step;
    const down = x - y === -step || (x - y !== step && place(before, at - 1) < place(before, at + 1));
    const fromX = down ? place(before, at + 1) : place(before, at - 1);
    const fromY = fromX - (x - y) + (down ? -1 : 1);
    const runStart = down ? fromX : fromX + 1;
    while (x > runStart) {
      parts.push({ kind: "same", text: left[--x] ?? "" });
      y--;
    }
    if (down) parts.push({ kind: "added", text: right[--y] ?? "" });
    else parts.push({ kind: "removed", text: left[--x] ?? "" });
    x = fromX;
    y = fromY;
  }
  while (x > 0) parts.push({ kind: "same", text: left[--x] ?? "" });
  return parts.reverse();
}

function place(places: Int32Array, at: number): number {
  return places[at] ?? 0;
}

/** Neighbours of one kind become one; within a change, what went stands before what came. */
function joined(parts: readonly DiffPart[]): DiffPart[] {
  const result: DiffPart[] = [];
  let removed = "";
  let added = "";
  let same = "";
  const flushChange = () => {
    if (removed !== "") result.push({ kind: "removed", text: removed });
    if (added !== "") result.push({ kind: "added", text: added });
    removed = "";
    added = "";
  };
  for (const { kind, text } of parts) {
    if (text === "") continue;
    if (kind === "same") {
      flushChange();
      same += text;
      continue;
    }
    if (same !== "") result.push({ kind: "same", text: same });
    same = "";
    if (kind === "removed") removed += text;
    else added += text;
  }
  flushChange();
  if (same !== "") result.push({ kind: "same", text: same });
  return result;
}
