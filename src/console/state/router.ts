import { signal } from "@preact/signals";
import { type Place, parsePlace } from "./place.ts";

export { linkTo } from "./place.ts";

/** Where the reader is. The fragment is never sent to the service, and holds no key. */
export const place = signal<Place>(parsePlace(location.hash));

addEventListener("hashchange", () => {
  place.value = parsePlace(location.hash);
});

/** Leads the reader to a place, as a link does. @param replace the place before is not kept in the browser's history. */
export function go(link: string, { replace = false }: { replace?: boolean } = {}): void {
  if (!replace) {
    location.hash = link;
    return;
  }
  history.replaceState(null, "", link);
  place.value = parsePlace(link);
}
