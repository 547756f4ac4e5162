import type { ComponentChildren } from "preact";
import type { Tone } from "./tone.ts";

export type { Tone };

/** A state in a word. The tone is told by the word too: colour alone tells nothing. */
export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <span class={`badge badge-${tone}`}>
      <span class="badge-mark" aria-hidden="true" />
      {children}
    </span>
  );
}
