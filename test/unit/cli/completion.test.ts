import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Option } from "commander";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { bashScript } from "../../../src/cli/completion/bash.ts";
import { fishScript } from "../../../src/cli/completion/fish.ts";
import { type CompletionModel, completionModel } from "../../../src/cli/completion/model.ts";
import { zshScript } from "../../../src/cli/completion/zsh.ts";

const OPTIONS = [
  new Option("--json", "it's one JSON document: nothing else"),
  new Option("--log-level <level>", "events").choices(["debug", "warn"]),
  new Option("--postgres-url <value>", "the address"),
];

let model: CompletionModel;
beforeAll(async () => {
  model = await completionModel(COMMANDS, OPTIONS);
}, 240_000);

function has(shell: string): boolean {
  return spawnSync(shell, ["-c", "true"]).status === 0;
}

/** The script in a file, for a shell that reads it. */
function scriptFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-completion-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "script");
  writeFileSync(file, text);
  return file;
}

/** The words that bash offers at the end of this line. */
function offered(file: string, line: readonly string[]): string[] {
  const words = line.map((word) => `"${word}"`).join(" ");
  const program = `source ${file}; COMP_WORDS=(${words}); COMP_CWORD=${line.length - 1}; _mnemosync; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-c", program], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.split("\n").filter((word) => word !== "");
}

test.skipIf(!has("bash"))("bash completes commands, actions, flags, settings and values", () => {
  const file = scriptFile(bashScript(model));
  expect(offered(file, ["mnemosync", "ch"])).toEqual(["check"]);
  expect(offered(file, ["mnemosync", "queue", "re"])).toEqual(["retry", "resume"]);
  expect(offered(file, ["mnemosync", "search", "--sc"])).toEqual(["--score-min"]);
  expect(offered(file, ["mnemosync", "--json", "search", "x", "--po"])).toEqual(["--postgres-url"]);
  expect(offered(file, ["mnemosync", "check", "--scope", "d"])).toEqual(["deep"]);
  expect(offered(file, ["mnemosync", "check", "--log-level", ""])).toEqual(["debug", "warn"]);
  expect(offered(file, ["mnemosync", "help", "sett"])).toEqual(["settings"]);
  expect(offered(file, ["mnemosync", "import", ""])).toEqual([]); // Falls back to file names.
});

test.skipIf(!has("fish"))("fish completes commands, actions, flags, settings and values", () => {
  const file = scriptFile(fishScript(model));
  const words = (line: string): string[] => {
    const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", `source ${file}; complete -C "${line}"`], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    return stdout.split("\n").flatMap((found) => (found === "" ? [] : [found.split("\t")[0] as string]));
  };
  expect(words("mnemosync chec")).toEqual(["check"]);
  expect(words("mnemosync queue re").sort()).toEqual(["resume", "retry"]);
  expect(words("mnemosync search --sco")).toEqual(["--score-min"]);
  expect(words("mnemosync search --postg")).toEqual(["--postgres-url"]);
  expect(words("mnemosync check --scope d")).toEqual(["deep"]);
});

test.skipIf(!has("zsh"))("zsh reads its script, which offers actions, values and flags", () => {
  const file = scriptFile(zshScript(model));
  expect(spawnSync("zsh", ["-n", file], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  // The functions of the completion system, replaced by ones that print what they are given.
  const stubs =
    "compdef() { }; compadd() { print -l -- $@ }; _files() { print files }; " +
    "_describe() { [[ $1 == -o ]] && shift; print -l -- ${(P)2} }";
  const words = (line: readonly string[]): string[] => {
    const program = `${stubs}; source ${file}; words=(${line.map((word) => `'${word}'`).join(" ")}); CURRENT=${line.length}; PREFIX='${line.at(-1)}'; _mnemosync`;
    const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", program], { encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout.trim().split("\n");
  };
  expect(words(["mnemosync", "queue", ""])).toEqual(["list", "retry", "drop", "pause", "resume"]);
  expect(words(["mnemosync", "check", "--scope", ""])).toEqual(["quick", "full", "deep"]);
  expect(words(["mnemosync", "check", "--log-level", ""])).toEqual(["debug", "warn"]);
  expect(words(["mnemosync", "import", ""])).toEqual(["files"]);
  expect(words(["mnemosync", "search", "-"])).toContainEqual(expect.stringMatching(/^--score-min:/));
  expect(words(["mnemosync", "search", "-"])).toContain("--json:it's one JSON document: nothing else");
  expect(words(["mnemosync", ""])).toContainEqual(expect.stringMatching(/^check:compare/));
});
