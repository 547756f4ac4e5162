/** The texts that a path leads to in a value: `$` is the whole value as JSON. */
export function textsAt(value: unknown, path: string): string[] {
  if (path === "$" || path === "") return [JSON.stringify(value)];
  return follow(value, stepsOf(path)).flatMap((found) => {
    if (found === null || found === undefined) return [];
    return typeof found === "object" ? [JSON.stringify(found)] : [String(found)];
  });
}

/** `chapters[*].content` in steps: chapters, [*], content. */
function stepsOf(path: string): string[] {
  return path.match(/\[[^\]]*\]|[^.[\]]+/g) ?? [];
}

function follow(value: unknown, [step, ...rest]: readonly string[]): unknown[] {
  if (step === undefined) return [value];
  if (typeof value !== "object" || value === null) return [];
  if (step === "*") return Object.values(value).flatMap((entry) => follow(entry, rest));
  if (!step.startsWith("[")) return Object.hasOwn(value, step) ? follow((value as never)[step], rest) : [];
  if (!Array.isArray(value)) return [];
  const index = step.slice(1, -1);
  if (index === "*") return value.flatMap((entry) => follow(entry, rest));
  return /^-?\d+$/.test(index) ? follow(value.at(Number(index)), rest) : [];
}
