import { spawn } from "node:child_process";
import { once } from "node:events";
import { packageFile } from "../../runtime/package-files.ts";
import type { CliCommand } from "../command.ts";
import { EXIT } from "../exit.ts";

export const setupCommand: CliCommand = {
  async run({ json, signal }) {
    // A script that imports nothing but Node: it also runs in a clone where nothing is installed yet.
    const child = spawn(process.execPath, [packageFile("scripts", "setup.mjs")], {
      stdio: ["inherit", json ? 2 : 1, 2],
      signal,
    });
    const [code] = (await once(child, "exit")) as [number | null];
    const done = code === 0;
    return { exitCode: done ? EXIT.ok : EXIT.failed, json: { done }, text: done ? "ready" : "" };
  },
};
