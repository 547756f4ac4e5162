import { deepStrictEqual } from "node:assert";
import { Redis } from "ioredis";
import postgres from "postgres";
import { readFiles, readRedis, readTables } from "../support/store-bytes.ts";
import type { Answer, Program, StoresOfRun } from "./program.ts";

/** One thing that was done, and what came of it. */
export interface Step {
  readonly program: string;
  readonly what: string;
  readonly found: string;
  readonly holds: boolean;
}

/** What the ledger holds of a memory. */
interface Held {
  readonly version: number;
  readonly checksum: string | null;
}

type State = ReadonlyMap<string, Held>;

const MEMORIES = 60;

const content = (number: number): string => `Memory ${number} of the matrix: “quotes”, ünïcode 記憶 and\nanother line`;

/** Proves two versions of the program against each other on the same ledger, the same Redis and the same index folder. */
export class VersionMatrix {
  readonly #before: Program;
  readonly #after: Program;
  readonly #log: (step: Step) => void;
  readonly steps: Step[] = [];

  constructor(before: Program, after: Program, log: (step: Step) => void) {
    this.#before = before;
    this.#after = after;
    this.#log = log;
  }

  /** before writes → after reads and writes → before works, or refuses and changes nothing → after reads. */
  async inTurn(stores: StoresOfRun): Promise<void> {
    const [before, after] = [this.#before, this.#after];
    await this.#fill(before, stores);
    const written = await this.#readAll(before, stores);
    await this.#clean(before, stores);

    const read = await this.#readAll(after, stores);
    this.#compare(after, "reads every memory as it was written", written, read);
    await this.#find(after, stores);
    await this.#clean(after, stores);
    await this.#write(after, stores, "after");
    await this.#clean(after, stores);
    const changed = await this.#readAll(after, stores);

    const state = await readState(stores);
    const refused = await this.#worksOrRefuses(before, stores);
    if (refused) {
      this.#check(before, "changes nothing in any store", await differences(state, stores));
    } else {
      this.#compare(before, "reads every memory as it was written", changed, await this.#readAll(before, stores));
      await this.#find(before, stores);
      await this.#write(before, stores, "before, again");
      await this.#clean(before, stores);
    }

    const expected = refused ? changed : await this.#readAll(before, stores);
    this.#compare(after, "reads every memory as it was written", expected, await this.#readAll(after, stores));
    await this.#find(after, stores);
    await this.#clean(after, stores);
  }

  /** A service of the version before runs while the version after migrates: its answers stay true. */
  async whileServing(stores: StoresOfRun): Promise<void> {
    const [before, after] = [this.#before, this.#after];
    const service = await before.serve(stores);
    const acknowledged = new Map<string, number>();
    const refused: string[] = [];
    const put = async (memoryId: string): Promise<void> => {
      const { status, body } = await service.put(memoryId, content(0));
      if (status < 300) acknowledged.set(`default/${memoryId}`, Number(body.version));
      else refused.push(`${status} ${body.code}`);
    };
    try {
      for (let number = 0; number < 10; number++) await put(`early-${number}`);
      this.#check(before, "takes writes as a service", refused);
      const migration = await after.run(stores, ["migrate", "--json"]);
      this.#answered(after, "migrates beneath the running service", migration, [0]);
      for (let number = 0; number < 10; number++) await put(`late-${number}`);
      for (let number = 0; number < 5; number++) await put(`early-${number}`);
    } finally {
      await service.stop();
    }
    const late = [...acknowledged.keys()].filter((name) => name.startsWith("default/late-")).length;
    this.#note(
      before,
      `as a service after that: ${late} of 10 new memories acknowledged`,
      [...new Set(refused)].join("; "),
    );
    await after.run(stores, ["repair", "--scope", "deep"]);
    const held = await this.#readAll(after, stores);
    const lost = [...acknowledged].filter(([name, version]) => held.get(name)?.version !== version);
    this.#check(
      after,
      "holds each acknowledged write",
      lost.map(([name]) => name),
    );
    const unasked = [...held.keys()].filter((name) => !acknowledged.has(name));
    this.#check(after, "holds no write that was refused", unasked);
    await this.#clean(after, stores);
  }

  async #fill(program: Program, stores: StoresOfRun): Promise<void> {
    const lines = Array.from({ length: MEMORIES }, (_, number) =>
      JSON.stringify({
        ...{ memoryId: `m${number}`, namespace: number % 3 === 0 ? "team.b" : "default", content: content(number) },
        ...{ memoryType: "episodic", importance: (number % 11) / 10, metadata: { number, nested: { "a b": [null] } } },
        ...{ privacy: ["full", "redacted", "local_only"][number % 3] },
      }),
    );
    const answer = await program.run(stores, ["import", "-", "--json"], `${lines.join("\n")}\n`);
    this.#answered(program, `writes ${MEMORIES} memories`, answer, [0]);
    await this.#write(program, stores, "before");
  }

  /** A new version, a rollback, a deletion, and a new memory. */
  async #write(program: Program, stores: StoresOfRun, text: string): Promise<void> {
    const json = JSON.stringify({ content: text, memoryType: "semantic" });
    const id = text.replace(/\W+/g, "-");
    for (const [what, args, input] of [
      ["a new version", ["put", "m1"], json],
      ["a rollback", ["rollback", "m1", "1"], ""],
      ["a new memory", ["put", `new-${id}`], json],
      ["a memory to delete", ["put", `deleted-${id}`], json],
      ["a deletion", ["delete", `deleted-${id}`], ""],
    ] as const) {
      const answer = await program.run(stores, [...args, "--json"], input);
      this.#answered(
        program,
        `writes ${what}`,
        answer,
        [0],
        answer.json?.status === "degraded" ? "degraded" : undefined,
      );
    }
  }

  /** Versions and checksums by the program's own export. */
  async #readAll(program: Program, stores: StoresOfRun): Promise<State> {
    const answer = await program.run(stores, ["export", "--include-local"]);
    if (answer.exitCode !== 0) throw new Error(`${program.name}: export: ${answer.stderr}`);
    const records = answer.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type?: string; namespace: string; memoryId: string } & Held)
      .filter(({ type }) => type === "memory");
    return new Map(
      records.map(({ namespace, memoryId, version, checksum }) => [`${namespace}/${memoryId}`, { version, checksum }]),
    );
  }

  async #clean(program: Program, stores: StoresOfRun): Promise<void> {
    const answer = await program.run(stores, ["check", "--scope", "deep", "--json"]);
    const findings = (answer.json?.findings ?? []) as { store: string; kind: string; memoryId: string }[];
    const found = findings.map(({ store, kind, memoryId }) => `${store} ${kind} ${memoryId}`).join(", ");
    this.#answered(program, "finds no drift in a deep check", answer, [0], found || undefined);
  }

  async #find(program: Program, stores: StoresOfRun): Promise<void> {
    const wanted = `m${MEMORIES - 4}`;
    const answer = await program.run(stores, ["search", content(MEMORIES - 4), "--json"]);
    const isFound = answer.stdout.includes(`"${wanted}"`);
    this.#answered(
      program,
      "finds a memory of the first version by its vector",
      answer,
      [0],
      isFound ? undefined : wanted,
    );
  }

  /** @returns whether it refuses, which every command must then do. */
  async #worksOrRefuses(program: Program, stores: StoresOfRun): Promise<boolean> {
    const json = JSON.stringify({ content: "refused", memoryType: "semantic" });
    const commands: [args: string[], input: string][] = [
      [["get", "m1"], ""],
      [["put", "refused"], json],
      [["import", "-"], `${json.replace("{", '{"memoryId":"refused",')}\n`],
      [["delete", "m5"], ""],
      [["search", "memory"], ""],
      [["check"], ""],
      [["repair"], ""],
      [["status"], ""],
      [["migrate"], ""],
    ];
    const [first] = commands;
    const opening = await program.run(stores, [...(first?.[0] ?? []), "--json"]);
    const { error } = (opening.json ?? {}) as { error?: { code: string; message: string } };
    if (error?.code !== "SCHEMA_TOO_NEW") {
      this.#answered(program, "works beside the version after", opening, [0]);
      return false;
    }
    this.#note(program, "refuses", error.message);
    for (const [args, input] of commands) {
      const answer = await program.run(stores, [...args, "--json"], input);
      const code = (answer.json?.error as { code?: string } | undefined)?.code;
      this.#answered(program, `refuses ${args[0]}`, answer, [2], code === "SCHEMA_TOO_NEW" ? undefined : String(code));
    }
    return true;
  }

  #compare(program: Program, what: string, wanted: State, found: State): void {
    const names = new Set([...wanted.keys(), ...found.keys()]);
    const differing = [...names].filter((name) => {
      const [one, other] = [wanted.get(name), found.get(name)];
      return one?.version !== other?.version || one?.checksum !== other?.checksum;
    });
    this.#check(program, `${what} (${wanted.size})`, differing);
  }

  #answered(program: Program, what: string, answer: Answer, exitCodes: readonly number[], flaw?: string): void {
    const isExpected = exitCodes.includes(answer.exitCode ?? -1) && flaw === undefined;
    const said = `exit code ${answer.exitCode}: ${flaw ?? ""} ${answer.stdout.slice(0, 300)} ${answer.stderr.slice(0, 300)}`;
    this.#note(program, what, isExpected ? "" : said, isExpected);
  }

  #check(program: Program, what: string, flaws: readonly string[]): void {
    this.#note(program, what, flaws.slice(0, 5).join(", "), flaws.length === 0);
  }

  #note(program: Program, what: string, found: string, holds = true): void {
    const step = { program: program.name, what, found: found.trim(), holds };
    this.steps.push(step);
    this.#log(step);
  }
}

/** The bytes of all stores. */
async function readState(stores: StoresOfRun) {
  const sql = postgres(stores.postgresUrl, { max: 1, onnotice: () => undefined });
  const redis = new Redis(stores.redisUrl);
  try {
    return {
      tables: await readTables(sql),
      redis: await readRedis(redis, stores.redisPrefix),
      index: readFiles(stores.directory),
    };
  } finally {
    redis.disconnect();
    await sql.end({ timeout: 1 });
  }
}

/** Names of the stores whose bytes are not what they were. */
async function differences(before: Awaited<ReturnType<typeof readState>>, stores: StoresOfRun): Promise<string[]> {
  const now = await readState(stores);
  return (["tables", "redis", "index"] as const).filter((store) => {
    try {
      deepStrictEqual(now[store], before[store]);
      return false;
    } catch {
      return true;
    }
  });
}
