import type { Projection } from "../stores/projection.ts";

type Defined<Name extends keyof Projection> = { readonly [Key in Name]-?: NonNullable<Projection[Key]> };

/** A shared store that can tell how it stands. */
export type WatchedProjection = Projection & Defined<"standing" | "brand">;

export function isWatched(projection: Projection): projection is WatchedProjection {
  return projection.traits.scope === "shared" && projection.standing !== undefined && projection.brand !== undefined;
}
