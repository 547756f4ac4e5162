import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import type { OpenOptions } from "../../src/edge/index.ts";
import { EdgeChild } from "../chaos/edge/processes/child-calls.ts";
import { type EdgeProgram, edgeProgram } from "../chaos/edge/processes/edge-program.ts";
import { type ProxiedWay, RecordingProxy } from "../chaos/edge/processes/recording-proxy.ts";
import { Recorder } from "../chaos/edge/recorder.ts";
import { type Ended, startProgram } from "./command-line.ts";
import { temporaryFolder } from "./edges.ts";
import { openService, type TestService } from "./http-service.ts";
import { Random } from "./random.ts";

/** The file of one agent: the agent's process, and commands of the command line beside it, all on the same file. */
export class AgentFile {
  readonly path: string;
  /** The way of this file's processes to the hub. */
  readonly way: ProxiedWay;
  readonly #options: OpenOptions;
  readonly #program: EdgeProgram;

  constructor(path: string, way: ProxiedWay, apiKey: string, program: EdgeProgram, own: Partial<OpenOptions>) {
    this.path = path;
    this.way = way;
    this.#program = program;
    this.#options = { path, hub: way.url, apiKey, retryBaseMs: 20, retryMaxMs: 200, requestTimeoutMs: 5_000, ...own };
  }

  /** A process with the file. Killed at the end of the test. @param own settings of this process alone. */
  async start(own: Partial<OpenOptions> = {}): Promise<EdgeChild> {
    const options = { ...this.#options, ...own };
    const agent = await EdgeChild.start(this.#program, { options, aheadMs: 0, seesRequests: false }, () => undefined);
    onTestFinished(() => agent.kill());
    return agent;
  }

  /** `mnemosync sync …` in a process of its own. */
  async command(...args: readonly string[]): Promise<Ended> {
    const { child, ended } = startProgram(["sync", ...args], this.#environment());
    child.stdin.end();
    return await ended;
  }

  /** The document that a command prints. */
  async json<Document>(...args: readonly string[]): Promise<{ code: number | null; document: Document }> {
    const { code, stdout, stderr } = await this.command(...args, "--json");
    expect(stdout, stderr).not.toBe("");
    return { code, document: JSON.parse(stdout) as Document };
  }

  #environment(): Record<string, string> {
    const named = Object.entries(this.#options).map(([name, value]) => {
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
      return [`MNEMOSYNC_EDGE_${snake}`, String(value)];
    });
    return Object.fromEntries(named);
  }
}

/** A hub on real stores behind a recording proxy, and files of agents that reach it by it. */
export interface AgentWorld {
  readonly service: TestService;
  readonly recorder: Recorder;
  agent(options?: Partial<OpenOptions>): AgentFile;
  /** A memory at the hub; null: there is none. */
  atHub(memoryId: string): Promise<{ readonly content: string; readonly version: number } | null>;
}

/** The processes of agents run what was built, where it is current. */
export function agentWorlds(): () => Promise<AgentWorld> {
  let program: EdgeProgram;
  beforeAll(() => {
    program = edgeProgram();
  });
  afterAll(() => program?.close());
  return async () => {
    const service = await openService({ onTestFinished }, { world: { faiss: false } });
    const url = await service.app.listen({ host: "127.0.0.1", port: 0 });
    const recorder = new Recorder();
    const proxy = await RecordingProxy.start(
      { url, killAtStep: async (_step, carryOut) => await carryOut() },
      recorder,
    );
    onTestFinished(() => proxy.close());
    const folder = temporaryFolder();
    let agents = 0;
    return {
      service,
      recorder,
      agent: (options = {}) => {
        const index = ++agents;
        const way = proxy.wayOf(index, new Random(index));
        return new AgentFile(`${folder}/agent-${index}.db`, way, service.keys.writer, program, options);
      },
      atHub: async (memoryId) => {
        const answer = await service.request("GET", `/v1/namespaces/default/memories/${memoryId}`);
        return answer.statusCode === 200 ? answer.json() : null;
      },
    };
  };
}
