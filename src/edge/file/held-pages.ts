import { type ChangesPage, changesPageSchema } from "../../hub/protocol/changes.ts";
import { parseAnswer } from "../transport/parse-answer.ts";

/** A page whose changes stay in the thread that applies them. */
export interface HeldPage extends ChangesPage {
  /** Names it there. */
  readonly held: number;
}

/** Pages that are held at once: one that is applied, one that was asked for meanwhile, and one whose request was given up. */
const HELD_MAX = 4;

/**
 * Pages between their arrival and their application. They are read in the thread that applies them: the thread of the caller handles
 * their bytes alone.
 */
export class HeldPages {
  readonly #pages = new Map<number, ChangesPage>();
  #last = 0;

  /** @returns the page without its changes. @throws {HubError} The bytes are no page. */
  read(bytes: Uint8Array): HeldPage {
    const page = parseAnswer(changesPageSchema(), bytes);
    const held = ++this.#last;
    this.#pages.set(held, page);
    if (this.#pages.size > HELD_MAX) this.#pages.delete(held - HELD_MAX);
    return { ...page, changes: [], held };
  }

  /** Null: it was forgotten, since later ones took its place. */
  take(page: ChangesPage): ChangesPage | null {
    if (!isHeld(page)) return page;
    const found = this.#pages.get(page.held) ?? null;
    this.#pages.delete(page.held);
    return found;
  }
}

function isHeld(page: ChangesPage): page is HeldPage {
  return "held" in page;
}
