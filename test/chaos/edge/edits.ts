/** What the users of a simulation wrote. Every content is a name that occurs nowhere else. */
export class Edits {
  readonly #knows = new Map<string, readonly string[]>();
  readonly #memories = new Map<string, string>();
  readonly #deletions = new Map<string, string[]>();
  #count = 0;

  /** @param before what the edge showed; null: nothing, so the memory was deleted, or never there. */
  write(memoryId: string, before: string | null, kind = "edit"): string {
    const name = `${kind}-${++this.#count}-`;
    this.#knows.set(name, before === null ? this.deletionsOf(memoryId) : [before]);
    if (kind === "edit") this.#memories.set(name, memoryId);
    return name;
  }

  delete(memoryId: string, before: string): void {
    const name = `deletion-${++this.#count}-`;
    this.#knows.set(name, [before]);
    this.#deletions.set(memoryId, [...this.deletionsOf(memoryId), name]);
  }

  deletions(): string[] {
    return [...this.#deletions.values()].flat();
  }

  deletionsOf(memoryId: string): readonly string[] {
    return this.#deletions.get(memoryId) ?? [];
  }

  /** Edits of which nothing is left: neither they show, nor one that knew them, nor are they kept. */
  lost(left: Iterable<string>, isExempt: (memoryId: string) => boolean): string[] {
    const covered = new Set<string>();
    const open = [...left];
    for (let edit = open.pop(); edit !== undefined; edit = open.pop()) {
      if (covered.has(edit)) continue;
      covered.add(edit);
      open.push(...(this.#knows.get(edit) ?? []));
    }
    return [...this.#memories].filter(([name, id]) => !covered.has(name) && !isExempt(id)).map(([name]) => name);
  }
}
