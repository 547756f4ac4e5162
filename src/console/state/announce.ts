import { signal } from "@preact/signals";

/** What is told to the reader beside the page: by a note on the screen, and to a screen reader at once. */
export interface Note {
  readonly id: number;
  readonly kind: "done" | "failed";
  readonly text: string;
}

const NOTES_MAX = 4;
/** Milliseconds for which a note of something done stays. One of a failure stays until it is closed. */
const SHOWN_MS = 8_000;

export const notes = signal<readonly Note[]>([]);
let lastId = 0;

export function announce(text: string, kind: Note["kind"] = "done"): void {
  const note = { id: ++lastId, kind, text };
  notes.value = [...notes.value, note].slice(-NOTES_MAX);
  if (kind === "done") setTimeout(() => closeNote(note.id), SHOWN_MS);
}

export function closeNote(id: number): void {
  notes.value = notes.value.filter((note) => note.id !== id);
}
