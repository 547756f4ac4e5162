import type { Privacy } from "../../../src/index.ts";

/** A write as its writer knows it. Times are milliseconds since 1970. */
export interface Entry {
  readonly memoryId: string;
  /** Unique; null: the memory ends. */
  readonly content: string | null;
  readonly privacy: Privacy;
  readonly expiresAt: number | null;
  readonly isErasure: boolean;
  readonly beganAt: number;
  /** Infinity until it is answered, and where the answer does not tell. */
  endedAt: number;
  outcome: "under way" | "done" | "failed" | "unknown";
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a read showed of a memory. */
export interface Shown {
  /** Null: without content, as a replica has a redacted one. */
  readonly content: string | null;
  readonly fromReplica: boolean;
}

/** A memory of the primary after it was put back. */
export interface PrimaryState {
  readonly memoryId: string;
  /** Null: it has ended. */
  readonly content: string | null;
  readonly privacy: Privacy;
  readonly expiresAt: number | null;
  readonly isErased: boolean;
  /** An erasure of it was asked for and is not done: it goes on by itself, in a primary that was put back too. */
  readonly isBeingErased: boolean;
}

/** What a primary that was put back has, beside its present states. */
export interface RestoredPast {
  /** When the copy was made. */
  readonly copiedAt: number;
  /** Contents of all versions that it has. */
  readonly contents: ReadonlySet<string>;
}

/** Milliseconds by which the clocks of PostgreSQL and of this process may seem to differ. */
const SLACK_MS = 25;

/** Milliseconds since 1970 with their fraction: which of two moments was first must show within one of them. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * What the ledger may hold. Each memory has one writer, so its writes are in order; of those without a clear answer both outcomes
 * are possible until the next one is answered: it waits for the row that the one before holds.
 */
export class Model {
  readonly #entries = new Map<string, Entry[]>();
  /** Contents of before the primary was put back, by memory: those that its history may still show, and those that it lost. */
  readonly #past = new Map<string, { kept: Set<string>; lost: Set<string> }>();
  /** Memories that began as `local_only`: the replica has nothing of that, and takes it for new whenever it is told again. */
  readonly #hiddenAtFirst = new Set<string>();

  get ids(): string[] {
    return [...this.#entries.keys()];
  }

  entriesOf(memoryId: string): readonly Entry[] {
    return this.#entries.get(memoryId) ?? [];
  }

  begin(
    memoryId: string,
    { content, privacy, expiresAt, isErasure }: Pick<Entry, "content" | "privacy" | "expiresAt" | "isErasure">,
  ): Entry {
    const entry: Entry = {
      ...{ memoryId, content, privacy, expiresAt, isErasure },
      beganAt: now(),
      endedAt: Number.POSITIVE_INFINITY,
      outcome: "under way",
    };
    const own = this.#entries.get(memoryId);
    if (own === undefined) this.#entries.set(memoryId, [entry]);
    else own.push(entry);
    return entry;
  }

  end(entry: Entry, outcome: "done" | "failed" | "unknown"): void {
    entry.outcome = outcome;
    if (outcome === "done") entry.endedAt = now();
    const { memoryId, privacy } = entry;
    const first = this.entriesOf(memoryId).find((one) => one.outcome !== "failed");
    if (first === entry && privacy === "local_only") this.#hiddenAtFirst.add(memoryId);
  }

  /** What may hold at some moment of `span`: writes, and whether none at all. */
  possible(memoryId: string, { from, to }: Span): { entries: Entry[]; mayBeNone: boolean } {
    const entries: Entry[] = [];
    const all = this.entriesOf(memoryId);
    for (let at = all.length - 1; at >= 0; at--) {
      const entry = all[at] as Entry;
      if (entry.outcome === "failed" || entry.beganAt > to) continue;
      entries.push(entry);
      if (entry.outcome === "done" && entry.endedAt <= from) return { entries, mayBeNone: false };
    }
    return { entries, mayBeNone: true };
  }

  /** @returns why a read that took `span` must not have shown this; null: it may. */
  judge(memoryId: string, shown: Shown | null, span: Span, archive: boolean): string | null {
    const { entries, mayBeNone } = this.possible(memoryId, span);
    if (shown === null) {
      const isFine = mayBeNone || entries.some((entry) => entry.content === null || mayHaveExpired(entry, span));
      return isFine ? null : "it is missing, and the primary has it";
    }
    const entry = entries.find((one) => isContentOf(one, shown));
    if (entry === undefined) return this.#why(memoryId, shown);
    if (!shown.fromReplica) {
      const isOver = entry.expiresAt !== null && entry.expiresAt < span.from - SLACK_MS;
      return isOver ? "the primary shows it, and it has expired" : null;
    }
    if (!archive) return "it is shown from the replica, and the primary decides what is alive";
    if (entry.privacy === "local_only") return "it is local_only, and shown from the replica";
    return mayHaveExpired(entry, span) ? null : "it is shown from the replica, and has not expired";
  }

  /** Whether every read within `span` shows it. */
  isAlive(memoryId: string, span: Span): boolean {
    const { entries, mayBeNone } = this.possible(memoryId, span);
    return !mayBeNone && entries.every((entry) => entry.content !== null && !mayHaveExpired(entry, span));
  }

  /** Whether some read within `span` may show it. */
  mayBeShown(memoryId: string, span: Span, archive: boolean): boolean {
    return this.possible(memoryId, span).entries.some(
      ({ content, expiresAt }) =>
        content !== null && (archive || expiresAt === null || expiresAt >= span.from - SLACK_MS),
    );
  }

  /** @returns how the ledger's present state contradicts what was answered; null: it does not. */
  judgeState({ memoryId, content, isErased }: PrimaryState): string | null {
    const moment = now();
    const { entries, mayBeNone } = this.possible(memoryId, { from: moment, to: moment });
    if (content !== null)
      return entries.some((entry) => entry.content === content)
        ? null
        : `it holds ${content}, which is not the last one`;
    if (entries.some((entry) => entry.isErasure && entry.outcome === "done") && !isErased) return "it is not erased";
    const mayHaveEnded = entries.some((entry) => entry.content === null || entry.expiresAt !== null);
    return mayBeNone || mayHaveEnded ? null : `it has ended, and ${entries[0]?.content} was written last`;
  }

  /** @returns why a history must not show this content; null: it may. */
  judgeContent(memoryId: string, content: string): string | null {
    const known = this.entriesOf(memoryId).find((entry) => entry.content === content);
    if (known !== undefined) return known.outcome === "failed" ? "which was refused" : null;
    const past = this.#past.get(memoryId);
    if (past?.lost.has(content)) return "which the primary has lost";
    return past?.kept.has(content) ? null : "which was never written";
  }

  /**
   * Whether the present history withholds a version that was there before: the memory was erased, or its privacy raised, after this
   * content; or that was its state when the primary was put back to before it.
   */
  isWithheld(memoryId: string, content: string): boolean {
    const all = this.entriesOf(memoryId);
    const later = all.slice(all.findIndex((entry) => entry.content === content) + 1);
    const withholds = ({ isErasure, privacy, outcome }: Entry) =>
      outcome !== "failed" && (isErasure || privacy !== "full");
    return this.#hiddenAtFirst.has(memoryId) || later.some(withholds);
  }

  /** The ledger was put back: what it holds now is all that counts. */
  reset(states: readonly PrimaryState[], { copiedAt, contents }: RestoredPast): void {
    for (const [memoryId, entries] of this.#entries) {
      const past = this.#past.get(memoryId) ?? { kept: new Set(), lost: new Set() };
      this.#past.set(memoryId, past);
      for (const { content, beganAt, outcome } of entries) {
        if (content === null || beganAt === 0) continue;
        // What retention pruned in the primary is not in it, and the archive has it.
        const isKept = contents.has(content) || (beganAt <= copiedAt && outcome !== "failed");
        past[isKept ? "kept" : "lost"].add(content);
      }
    }
    const archived = this.#archived(new Set(states.map(({ memoryId }) => memoryId)), copiedAt);
    this.#entries.clear();
    for (const [memoryId, entries] of archived) this.#entries.set(memoryId, entries);
    const moment = now();
    for (const { memoryId, content, privacy, expiresAt, isErased, isBeingErased } of states) {
      const facts = { memoryId, content, privacy, expiresAt, isErasure: isErased };
      this.#entries.set(memoryId, [{ ...facts, beganAt: 0, endedAt: moment, outcome: "done" }]);
      if (!isBeingErased || isErased) continue;
      const erasure = { content: null, privacy: "full", expiresAt: null, isErasure: true } as const;
      this.end(this.begin(memoryId, erasure), "unknown");
    }
  }

  /** What the copy has no row of, since its tombstone is pruned, and which ended by expiring: the archive shows it still. */
  #archived(present: ReadonlySet<string>, copiedAt: number): Map<string, Entry[]> {
    const archived = new Map<string, Entry[]>();
    for (const [memoryId, all] of this.#entries) {
      if (present.has(memoryId)) continue;
      const entries = all.filter(({ outcome, beganAt }) => outcome !== "failed" && beganAt <= copiedAt);
      const last = entries.findLastIndex(({ outcome }) => outcome === "done");
      const { content = null, expiresAt = null } = entries[last] ?? {};
      if (content !== null && expiresAt !== null) archived.set(memoryId, entries.slice(last));
    }
    return archived;
  }

  #why(memoryId: string, { content, fromReplica }: Shown): string {
    const all = this.entriesOf(memoryId);
    const found = all.findIndex((entry) => entry.content === content);
    const source = fromReplica ? "the replica" : "the primary";
    if (found < 0) return `${JSON.stringify(content)} is shown from ${source}, and was never written in this history`;
    const later = all.slice(found + 1).filter(({ outcome }) => outcome === "done");
    const ended = later.find((entry) => entry.content === null);
    const what = ended === undefined ? "was replaced" : ended.isErasure ? "was erased" : "was deleted";
    return `${content} is shown from ${source}, and it ${what}`;
  }
}

function mayHaveExpired({ expiresAt }: Entry, { to }: Span): boolean {
  return expiresAt !== null && expiresAt <= to + SLACK_MS;
}

function isContentOf(entry: Entry, { content, fromReplica }: Shown): boolean {
  if (fromReplica && entry.privacy === "redacted") return content === null || content === "";
  return content !== null && entry.content === content;
}
