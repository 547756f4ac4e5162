import type { BenchContext } from "../harness/scenario.ts";
import { installInto } from "../peers/install.ts";
import { type Operations, PeerProcess } from "../support/peer-process.ts";
import type { EdgeOperations, OpenRequest, Replicated, ReplicatorOperations } from "./operations.ts";

const FOLDER = new URL(".", import.meta.url);
const OUR_EDGE = new URL("our-edge.ts", import.meta.url);
/** Far longer than anything takes that is measured here: a limit against hanging. */
const CALL_TIMEOUT_MS = 300_000;
/** The worker of the edge as it is built: with a loader of TypeScript in it, its start and its memory would be others. */
const ENVIRONMENT = { DIST_IS_CURRENT: "yes" };

/** One client in a process of its own, with a hub of its kind to replicate with. */
export class Replicator<Calls extends ReplicatorOperations = ReplicatorOperations> {
  readonly #process: PeerProcess<Operations>;

  private constructor(process: PeerProcess<Operations>) {
    this.#process = process;
  }

  static ours(): Replicator<EdgeOperations> {
    return new Replicator(PeerProcess.start("our edge", OUR_EDGE, { environment: ENVIRONMENT }));
  }

  static peer(name: string, script: string): Replicator {
    return new Replicator(PeerProcess.start(name, new URL(script, FOLDER)));
  }

  async ask<Name extends keyof Calls & string>(
    operation: Name,
    request: Calls[Name] extends { request: infer Request } ? Request : never,
  ): Promise<Calls[Name] extends { answer: infer Answer } ? Answer : never> {
    return (await this.#process.request(operation, request, CALL_TIMEOUT_MS)) as never;
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

/** A peer of the edge, both sides. */
export class PeerPair {
  readonly name: string;
  readonly durable: string;
  readonly versions: string;
  readonly #server: Replicator;
  readonly #client: Replicator;
  readonly #url: string;

  private constructor(about: Peer, server: Replicator, client: Replicator, told: { url: string; versions: string }) {
    this.name = about.name;
    this.durable = about.durable;
    this.versions = told.versions;
    this.#server = server;
    this.#client = client;
    this.#url = told.url;
  }

  static async open(about: Peer): Promise<PeerPair> {
    const server = Replicator.peer(`${about.name}'s server`, about.script);
    const client = Replicator.peer(about.name, about.script);
    try {
      const { url } = await server.ask("serve", null);
      const versions = Object.entries(await client.ask("versions", null));
      const text = versions.map(([name, version]) => `${name} ${version}`).join(", ");
      return new PeerPair(about, server, client, { url, versions: text });
    } catch (error) {
      await Promise.all([server.close(), client.close()]);
      throw error;
    }
  }

  async push(name: string, directory: string, count: number): Promise<Replicated> {
    await this.#open({ name, directory });
    await this.#client.ask("fill", { count });
    return await this.#client.ask("push", null);
  }

  async pull(name: string, directory: string): Promise<Replicated> {
    await this.#open({ name, directory });
    return await this.#client.ask("pull", null);
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#server.close();
  }

  async #open(request: Pick<OpenRequest, "name" | "directory">): Promise<void> {
    await this.#client.ask("open", { ...request, hub: this.#url });
  }
}

interface Peer {
  readonly name: string;
  readonly script: string;
  /** What survives the loss of power once the push has ended. */
  readonly durable: string;
}

const PEERS: readonly Peer[] = [
  { name: "PouchDB", script: "pouch.mjs", durable: "LevelDB on both sides, without a sync to disk per write" },
  { name: "RxDB", script: "rxdb.mjs", durable: "nothing: memory on both sides" },
];

/** Peers that can be measured, and why others cannot. A quick run installs nothing. */
export async function openPeers(context: BenchContext): Promise<{ pairs: PeerPair[]; out: Map<string, string> }> {
  const out = new Map<string, string>();
  const pairs: PeerPair[] = [];
  const failure = await installInto(FOLDER, !context.quick, (line) => context.log(line));
  for (const peer of PEERS) {
    if (failure !== null) {
      out.set(peer.name, failure);
      continue;
    }
    try {
      pairs.push(await PeerPair.open(peer));
    } catch (error) {
      const [reason = ""] = (error as Error).message.split("\n");
      context.log(`${peer.name} is out: ${(error as Error).message}`);
      out.set(peer.name, reason);
    }
  }
  return { pairs, out };
}
