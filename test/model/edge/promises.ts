import { closureOf, editOf, type Scenario, type World } from "./world.ts";

/** Promises 2 and 6, which hold at any time. */
export function lostEdit(world: World, { scripts, isRedacted }: Scenario): string | null {
  if (isRedacted && world.edges[0]?.hasContent === false) return "6: a withheld content replaced the content";
  const covered = coveredEdits(world, true);
  for (const [device, { done }] of world.edges.entries()) {
    for (const item of scripts[device]?.slice(0, done) ?? []) {
      if (item !== "local" && !covered.has(editOf(item))) return "2: an edit is lost";
    }
  }
  return null;
}

/** An edit is accounted for where it shows or is kept, and where one that knew it is. */
function coveredEdits(world: World, countsOffers: boolean): Set<string> {
  const edits = [...world.taken];
  const { row } = world.ledger;
  if (row?.edit) edits.push(row.edit);
  for (const { head, own, isLocalOnly, outbox, conflicts } of world.edges) {
    edits.push(...conflicts, ...outbox.flatMap(({ edit }) => edit ?? []));
    // An edge offers its acknowledged edits again to a hub that went back.
    if (head !== null && (isLocalOnly || (countsOffers && own !== null))) edits.push(head);
  }
  return closureOf(edits, world);
}

/** Promises 2, 3 and 5, once nothing is under way and faults have ended. */
export function unequal(world: World, scenario: Scenario): string | null {
  const { row, history } = world.ledger;
  if (world.edges.some(({ outbox, inbox, isLocalOnly }) => outbox.length > 0 || (inbox !== null && !isLocalOnly))) {
    return "3: a change stays in an outbox or an inbox";
  }
  const full = world.edges.filter(({ isLocalOnly }) => !isLocalOnly);
  if (full.some(({ head }) => head !== (row?.edit ?? null))) return "3: an edge and the hub hold different edits";
  if (full.some(({ base }) => base.version !== (row?.version ?? 0)))
    return "3: an edge knows another version than the hub";
  const covered = coveredEdits(world, false);
  for (const edit of scenario.scripts.flat()) {
    if (edit !== "local" && !covered.has(editOf(edit))) return "2: an edit is lost";
  }
  const withheld = world.edges.flatMap((edge) => (edge.isLocalOnly ? edge.withheld : []));
  if (withheld.some((edit) => history.includes(edit))) return "5: withdrawn content is at the hub";
  return null;
}
