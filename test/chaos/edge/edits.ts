/** What the users of a simulation wrote. Every content is a name that occurs nowhere else. */
export class Edits {
  readonly #knows = new Map<string, readonly string[]>();
  readonly #memories = new Map<string, string>();
  readonly #deletions = new Map<string, string[]>();
  #count = 0;

  /** A content for an edit that is about to be made. */
  name(kind: string): string {
    return `${kind}-${++this.#count}-`;
  }

  /**
   * The edit is about to be made: it may be on disk from now on, acknowledged or not.
   * @param before what the edge showed; null: nothing, so the memory was deleted, or never there.
   */
  begin(name: string, memoryId: string, before: string | null): void {
    this.#knows.set(name, before === null ? this.deletionsOf(memoryId) : [before]);
  }

  /** The edge acknowledged the edit: it must not be lost. */
  acknowledge(name: string, memoryId: string): void {
    this.#memories.set(name, memoryId);
  }

  /** A deletion that is about to be made. What a user deletes is gone by that will, acknowledged or not. */
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

  /** The memory of an edit, what it was made on, and what was made on it: for the report of a lost one. */
  whereabouts(name: string): string {
    const later = [...this.#knows].filter(([, known]) => known.includes(name)).map(([edit]) => edit);
    const parts = { memory: this.#memories.get(name), madeOn: this.#knows.get(name), knownTo: later };
    return JSON.stringify(parts);
  }

  /** Acknowledged edits of which nothing is left: neither they show, nor one that knew them, nor are they kept. */
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
