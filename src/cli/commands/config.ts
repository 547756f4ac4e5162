import { effectiveSettings } from "../../config/describe.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { gatherLayers } from "../options.ts";
import { columns } from "../output.ts";

export const configCommand: CliCommand = {
  name: "config",
  usage: "",
  summary: "show every setting as it counts, and where it comes from; secrets are hidden",
  async run({ flags, environment }) {
    const settings = effectiveSettings(await gatherLayers(flags, environment));
    const rows = settings.map(({ option, value, source }) => [option, value === null ? "" : text(value), source]);
    return {
      exitCode: EXIT.ok,
      json: { settings },
      text: columns([{ head: "option" }, { head: "value" }, { head: "from" }], rows),
    };
  },
};

function text(value: unknown): string {
  return Array.isArray(value) ? value.join(",") : String(value);
}
