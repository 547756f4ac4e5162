import { effectiveSettings } from "../../config/describe.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { gatherLayers } from "../options.ts";

export const configCommand: CliCommand = {
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
  if (!Array.isArray(value)) return String(value);
  return value.some((item) => typeof item === "object") ? JSON.stringify(value) : value.join(",");
}
