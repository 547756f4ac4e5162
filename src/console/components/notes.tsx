import { closeNote, notes } from "../state/announce.ts";
import { Button } from "./button.tsx";

/** Notes in a corner of the screen. The region is there from the start, so that screen readers tell what comes into it. */
export function Notes() {
  return (
    <div class="notes" role="status" aria-live="polite">
      {notes.value.map((note) => (
        <div key={note.id} class={`note note-${note.kind}`}>
          <span>{note.text}</span>
          <Button look="quiet" label={`Close the note: ${note.text}`} onClick={() => closeNote(note.id)}>
            ×
          </Button>
        </div>
      ))}
    </div>
  );
}
