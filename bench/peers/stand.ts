import type { BenchContext } from "../harness/scenario.ts";
import { PeerProcess } from "../support/peer-process.ts";
import type { ContenderName, ContenderOperations, Place } from "./contender.ts";

const MAIN = new URL("main.ts", import.meta.url);
const OPEN_TIMEOUT_MS = 60_000;
/** Far longer than anything takes that is measured here: a limit against hanging. */
const CALL_TIMEOUT_MS = 120_000;

type Calls = { [Name in keyof ContenderOperations]: ContenderOperations[Name] };

/** One contender in a process of its own, at a place of its own. */
export class Stand {
  readonly name: ContenderName;
  readonly versions: Readonly<Record<string, string>>;
  readonly #process: PeerProcess<Calls>;
  #place: Place;

  private constructor(
    name: ContenderName,
    place: Place,
    { process, versions }: { process: PeerProcess<Calls>; versions: Stand["versions"] },
  ) {
    this.name = name;
    this.#place = place;
    this.versions = versions;
    this.#process = process;
  }

  static async open(name: ContenderName, context: BenchContext, dimension: number): Promise<Stand> {
    return await Stand.openAt(name, await newPlace(context, dimension));
  }

  static async openAt(name: ContenderName, place: Place): Promise<Stand> {
    // They report to their makers, and keep a folder in the user's home, unless told not to.
    const environment = {
      MEM0_TELEMETRY: "false",
      MEM0_DIR: place.directory,
      LANGCHAIN_TRACING_V2: "false",
      LANGSMITH_TRACING: "false",
    };
    const process = PeerProcess.start<Calls>(name, MAIN, { args: [name], environment });
    try {
      const { versions } = await process.request("open", place, OPEN_TIMEOUT_MS);
      return new Stand(name, place, { process, versions });
    } catch (error) {
      await process.close();
      throw error;
    }
  }

  async ask<Name extends keyof Calls>(
    operation: Name,
    request: Calls[Name]["request"],
  ): Promise<Calls[Name]["answer"]> {
    return await this.#process.request(operation, request, CALL_TIMEOUT_MS);
  }

  /** To another, empty place, in the same process. */
  async move(context: BenchContext): Promise<void> {
    this.#place = await newPlace(context, this.#place.dimension);
    await this.#process.request("open", this.#place, OPEN_TIMEOUT_MS);
  }

  /** The process is killed, and another one opens what it left. */
  async killAndReopen(): Promise<Stand> {
    await this.#process.kill();
    return await Stand.openAt(this.name, this.#place);
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

async function newPlace(context: BenchContext, dimension: number): Promise<Place> {
  const [postgresUrl, directory] = await Promise.all([context.newDatabase(), context.newDirectory()]);
  return { postgresUrl, redisUrl: context.redisUrl, directory, dimension };
}
