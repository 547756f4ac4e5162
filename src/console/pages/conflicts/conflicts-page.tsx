import type { PageProps } from "../../page-props.ts";
import { ConflictList } from "./conflict-list.tsx";
import { ConflictPage } from "./conflict-page.tsx";

/** `#/conflicts`: the list. `#/conflicts/<id>`: both sides of one. */
export function ConflictsPage({ path: [id], query }: PageProps) {
  return id === undefined ? <ConflictList query={query} /> : <ConflictPage key={id} id={id} />;
}
