import { type EffectiveSetting, effectiveSettings } from "../../config/describe.ts";
import { NO_INDEX } from "../../stores/faiss/settings.ts";
import { defaultNodeId } from "../../synchronizer/connections.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { gatherLayers } from "../options.ts";

export const configCommand: CliCommand = {
  async run({ flags, environment }) {
    const settings = withNodeId(effectiveSettings(await gatherLayers(flags, environment)));
    const rows = settings.map(({ option, value, source }) => [option, value === null ? "" : text(value), source]);
    return {
      exitCode: EXIT.ok,
      json: { settings },
      text: columns([{ head: "option" }, { head: "value" }, { head: "from" }], rows, { overflow: "wrap" }),
    };
  },
};

/** The id that a node takes from the folder of its index, which a reader cannot work out. */
function withNodeId(settings: readonly EffectiveSetting[]): EffectiveSetting[] {
  const directory = settings.find(({ option }) => option === "faiss.directory")?.value;
  const faiss = typeof directory === "string" && directory !== NO_INDEX ? { directory } : undefined;
  return settings.map((setting) => {
    const isDerived = setting.option === "nodeId" && setting.source === "unset";
    return isDerived ? { ...setting, value: defaultNodeId({ faiss }), source: "default" } : setting;
  });
}

function text(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.some((item) => typeof item === "object") ? JSON.stringify(value) : value.join(",");
}
