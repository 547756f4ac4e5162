import { settingAt } from "../../config/settings.ts";
import type { Invocation } from "../command.ts";
import { UsageError } from "../exit.ts";
import type { HomeKind, SpaceHome } from "./home.ts";

/**
 * Opens the home that `--into` or the settings name, and closes it in any case.
 * @param writes whether memories are written: a hub's vector index is opened for that alone.
 */
export async function withHome<T>(
  invocation: Invocation,
  writes: boolean,
  work: (home: SpaceHome) => Promise<T>,
): Promise<T> {
  // Each brings modules along that the other one does not need.
  return homeKind(invocation) === "hub"
    ? await (await import("./hub-home.ts")).withHub(invocation, writes, work)
    : await (await import("./edge-home.ts")).withEdge(invocation, work);
}

function homeKind({ settings, flags }: Invocation): HomeKind {
  if (flags.into === "hub" || flags.into === "edge") return flags.into;
  const isSet = (path: readonly string[]) => settingAt(settings, path) !== undefined;
  const [hasHub, hasEdge] = [isSet(["postgresUrl"]), isSet(["edge", "path"])];
  if (hasHub && hasEdge) {
    throw new UsageError("settings name both a database and an edge's file: give --into hub, or --into edge");
  }
  return hasEdge ? "edge" : "hub";
}
