import { Readable, Writable } from "node:stream";
import { pollUntil } from "../../src/dev/wait.ts";

/** A command line of the program that has ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds within which what a command opened is closed once it has answered, on a busy machine. */
const CLOSED_MS = 60_000;

/** Commands take turns: each has the streams and the environment of the process. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Runs one command line in this process, with streams and an environment of its own in place of the process's: a process for
 * each command costs most of a second of processor time. Nothing that only a process has can be seen here: signals, a reader
 * that is gone, a terminal, log lines of `--json` and `--log-level`, which go to the process's own standard error, and services.
 * @throws what the command leaves open would keep its process alive.
 */
export function runHere(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  input: string | Buffer = "",
): Promise<Ended> {
  const ended = turn.then(() => runNow(args, environment, input));
  turn = ended.catch(() => undefined); // Its caller has it.
  return ended;
}

async function runNow(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  input: string | Buffer,
): Promise<Ended> {
  const { runCommandLine } = await import("../../src/cli/program.ts");
  const stdout = new Kept();
  const stderr = new Kept();
  const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)], { objectMode: false });
  const before = openHandles();
  const restore = replace({ stdout, stderr, stdin, env: { ...environment } });
  try {
    const code = await runCommandLine(args, process.env);
    await pollUntil(`mnemosync ${args.join(" ")} to close what it opened`, CLOSED_MS, () =>
      fits(openHandles(), before),
    );
    return { code, stdout: stdout.text, stderr: stderr.text };
  } finally {
    restore();
  }
}

/** Keeps what is written. It is no terminal. */
class Kept extends Writable {
  readonly #chunks: Buffer[] = [];

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}

/** @returns puts back what stood there. */
function replace(values: Readonly<Record<"stdout" | "stderr" | "stdin" | "env", unknown>>): () => void {
  const names = Object.keys(values) as (keyof typeof values)[];
  const before = names.map((name) => Object.getOwnPropertyDescriptor(process, name) as PropertyDescriptor);
  for (const name of names) Object.defineProperty(process, name, { value: values[name], configurable: true });
  return () => {
    for (const [position, name] of names.entries())
      Object.defineProperty(process, name, before[position] as PropertyDescriptor);
  };
}

/** How many sockets, pipes, servers and child processes keep this process alive, by their kind. */
function openHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (/Wrap$/.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function fits(now: Map<string, number>, before: Map<string, number>): boolean {
  return [...now].every(([kind, count]) => count <= (before.get(kind) ?? 0));
}
