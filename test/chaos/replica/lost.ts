import type { Model } from "./model.ts";
import type { Twins } from "./twins.ts";

interface Body {
  readonly memory_id: string;
  readonly version: string;
  readonly content: string;
}

interface Owed extends Body {
  /** Whether the memory was erased since, or its privacy raised: then it need not be kept. */
  isWithheld: boolean;
}

/** Versions that the primary lost and the replica had: each must be in `diverged` at the end. */
export class Lost {
  /** How many there were. */
  total = 0;
  /** Those of them that were found where they must be, and those that were withheld since. */
  kept = 0;
  withheld = 0;
  readonly #twins: Twins;
  readonly #model: Model;
  /** By content, which is unique. */
  #owed = new Map<string, Owed>();

  constructor(twins: Twins, model: Model) {
    this.#twins = twins;
    this.#model = model;
  }

  /** Before the primary is put back: what the replica has of contents that will be lost. @returns how many. */
  async note(contents: ReadonlySet<string>): Promise<number> {
    const held = (await this.#bodies()).filter(({ content }) => contents.has(content));
    for (const body of held) {
      if (!this.#owed.has(body.content)) this.total++;
      this.#owed.set(body.content, { ...body, isWithheld: this.#model.isWithheld(body.memory_id, body.content) });
    }
    return held.length;
  }

  /** The replica was put back: what its copy lacks is owed no more. */
  async replicaWentBack(): Promise<void> {
    const held = await this.#held();
    this.#owed = new Map([...this.#owed].filter(([content]) => held.has(content)));
  }

  /** Before a history is forgotten, with what it withheld: what went since, as it had to. @returns what went otherwise. */
  async settle(): Promise<string[]> {
    const held = await this.#held();
    this.#noteWithheld();
    const gone = [...this.#owed.values()].filter(({ content }) => !held.has(content));
    for (const { content } of gone) this.#owed.delete(content);
    return this.#describe(gone);
  }

  /** At the end. */
  async findings(): Promise<string[]> {
    const held = new Set((await this.#diverged()).map(({ content }) => content));
    this.#noteWithheld();
    const gone = [...this.#owed.values()].filter(({ content }) => !held.has(content));
    this.kept += this.#owed.size - gone.length;
    return this.#describe(gone);
  }

  /** What the present history withholds of a memory is not kept of its lost versions either. */
  #noteWithheld(): void {
    for (const owed of this.#owed.values()) owed.isWithheld ||= this.#model.isWithheld(owed.memory_id, owed.content);
  }

  #describe(gone: readonly Owed[]): string[] {
    const wrong = gone.filter(({ isWithheld }) => !isWithheld);
    this.withheld += gone.length - wrong.length;
    return wrong.map(
      ({ memory_id, version, content }) =>
        `lost: ${content} (${memory_id} at ${version}) was in the replica, the primary lost it, and it is not kept`,
    );
  }

  async #held(): Promise<Set<string>> {
    return new Set([...(await this.#bodies()), ...(await this.#diverged())].map(({ content }) => content));
  }

  async #bodies(): Promise<Body[]> {
    return await this.#twins.inside("replica", async (sql) => [
      ...(await sql<Body[]>`
        select memory_id, version::text, document ->> 'content' as content from mnemosync.memory_bodies
        where document ->> 'privacy' = 'full'`),
    ]);
  }

  async #diverged(): Promise<Body[]> {
    return await this.#twins.inside("replica", async (sql) => [
      ...(await sql<Body[]>`
        select memory_id, version::text, document ->> 'content' as content from mnemosync.diverged
        where document is not null`),
    ]);
  }
}
