import { settingAt } from "../config/settings.ts";
import type { OpenOptions } from "../edge/index.ts";
import { ConfigurationError } from "../index.ts";
import type { Invocation } from "./command.ts";

/** The section `edge` of the settings, unchecked. @throws {ConfigurationError} None names the file. */
export function edgeOptions({ settings }: Pick<Invocation, "settings">): OpenOptions {
  const options = settingAt(settings, ["edge"]) as OpenOptions | undefined;
  if (typeof options?.path === "string" && options.path !== "") return options;
  throw new ConfigurationError("no setting names the file of the edge: give --edge-path, or set MNEMOSYNC_EDGE_PATH");
}
