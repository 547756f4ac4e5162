import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { expect, type TestContext, test } from "vitest";
import { openEvents } from "../support/event-service.ts";

/** Goal: the commands of docs/http.md do what the page says, as they stand there. */

const PAGE = new URL("../../docs/http.md", import.meta.url);

/** What each command's answer contains, in the order of the page. */
const EXPECTED: readonly [command: RegExp, answer: RegExp][] = [
  [/^ask -X PUT/, /"status":"synced","version":1/],
  [/^ask "\S+\/memories\/m1"$/, /"content":"Amara is allergic to nuts"/],
  [/^ask -X POST \S+\/search"/, /"results":\[\{"score":[\d.]+,"memory":\{.*"memoryId":"m1"/],
  [/^ask -X DELETE/, /"status":"synced","version":2/],
  [/^ask -N \S+\/v1\/events/, /^event: deleted\nid: c1\.\S+\ndata: \{"kind":"deleted".*"memoryId":"m1","version":2/m],
  [/^ask \S+\/changes/, /^\{"changes":\[\{"kind":"deleted".*"complete":true\}$/],
  [/^ask -G \S+\/changes" --data-urlencode 'where=/, /^\{"changes":\[\{"kind":"deleted".*"complete":true\}$/],
];

/** Runs a command until it has ended, or printed what is expected: a stream does not end by itself. */
async function run(t: TestContext, script: string, environment: Record<string, string>, expected: RegExp) {
  const child = spawn("bash", ["-c", script], { env: { ...process.env, ...environment }, detached: true });
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid);
  };
  t.onTestFinished(end);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (expected.test(output)) end();
    });
  }
  await new Promise((resolve) => child.once("close", resolve));
  return output;
}

test("the commands of docs/http.md answer as the page says", async (t) => {
  const { app, keys } = await openEvents(t, { world: { settings: { embedding: { provider: "hashing" } } } });
  const page = await readFile(PAGE, "utf8");
  const [setup = "", ...blocks] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code as string);
  const alias = /^alias ask=.*$/m.exec(setup)?.[0];
  const commands = blocks.flatMap((block) => block.trim().split(/\n(?=ask )/));
  expect(commands).toHaveLength(EXPECTED.length);
  const { port } = app.server.address() as { port: number };
  const environment = { MNEMOSYNC_URL: `http://127.0.0.1:${port}`, MNEMOSYNC_KEY: keys.writer };
  for (const [index, [command, answer]] of EXPECTED.entries()) {
    const text = commands[index] as string;
    expect(text.replaceAll("\\\n", "")).toMatch(command);
    const output = await run(t, `shopt -s expand_aliases\n${alias}\n${text}\n`, environment, answer);
    expect(output).toMatch(answer);
  }
});
