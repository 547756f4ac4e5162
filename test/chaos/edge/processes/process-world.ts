import { pickFreePort } from "../../../../src/dev/free-port.ts";
import { HttpHub } from "../../../../src/edge/index.ts";
import { createKey } from "../../../../src/http/keys.ts";
import type { KeyEntry } from "../../../../src/http/keys-file.ts";
import { Random } from "../../../support/random.ts";
import { TcpProxy } from "../../../support/tcp-proxy.ts";
import { FAULTS, NO_FAULTS } from "../faults.ts";
import type { Recorder } from "../recorder.ts";
import type { EdgeSetting, EdgeUnderTest, OpenSimulationWorld, SimulationWorld } from "../world.ts";
import type { EdgeProgram } from "./edge-program.ts";
import { HubProcess } from "./hub-process.ts";
import { HubStores, type LongLivedStores } from "./hub-stores.ts";
import { HubJobs, keptAside, ledgerFindings } from "./ledger-findings.ts";
import { ProcessEdge } from "./process-edge.ts";
import { RecordingProxy } from "./recording-proxy.ts";

const REQUEST_MAX_MS = 30_000;

/**
 * Each edge and the hub are processes of their own, the hub on PostgreSQL, Redis and FAISS; a recording proxy stands between
 * them. Time is real, and edges are ahead of it by what the simulation says.
 */
export function processWorld(stores: LongLivedStores, program: EdgeProgram): OpenSimulationWorld {
  return async ({ random, recorder }) => {
    const closers: (() => Promise<void>)[] = [];
    const closeAll = async (): Promise<void> => {
      for (const close of closers.splice(0).reverse()) await close();
    };
    try {
      const hubStores = await HubStores.open(stores);
      closers.push(() => hubStores.close());
      const postgresProxy = await TcpProxy.start(stores.postgres.port);
      closers.push(() => postgresProxy.close());
      const keys = new Keys(hubStores);
      await keys.write(); // Before the hub starts: later changes of the file show after seconds.
      const environment = hubStores.environment(postgresProxy.through(hubStores.databaseUrl));
      const hub = new HubProcess(await pickFreePort(), {
        ...{ random: new Random(random.below(2 ** 31)), environment, postgresProxy },
      });
      closers.push(() => hub.close());
      await hub.start();
      const proxy = await RecordingProxy.start(hub, recorder);
      closers.push(() => proxy.close());
      return new ProcessWorld({ random, recorder, hubStores, keys, hub, proxy, program, close: closeAll });
    } catch (error) {
      await closeAll();
      throw error;
    }
  };
}

interface Parts {
  readonly random: Random;
  readonly recorder: Recorder;
  readonly hubStores: HubStores;
  readonly keys: Keys;
  readonly hub: HubProcess;
  readonly proxy: RecordingProxy;
  readonly program: EdgeProgram;
  readonly close: () => Promise<void>;
}

class ProcessWorld implements SimulationWorld {
  readonly isConcurrent = true;
  readonly hub: SimulationWorld["hub"];
  readonly #parts: Parts;
  readonly #edges: ProcessEdge[] = [];
  readonly #revokedDevices = new Map<EdgeUnderTest, string>();
  #admitted: string | null = null;
  #aheadMs = 0;
  #restores = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { hub, keys, hubStores, random, recorder } = parts;
    hub.rates = FAULTS;
    this.hub = {
      kills: hub.kills,
      as: (device) => new HttpHub({ url: hub.url, apiKey: keys.admin, device, timeoutMs: REQUEST_MAX_MS }),
      copy: async () => {
        await this.#whileStopped(() => hubStores.copy(random.pick(["database", "cluster"] as const)));
      },
      goBack: async () => {
        this.#restores += 1;
        await this.#whileStopped(() => hubStores.goBack());
        // The copy knows of a revocation, and not that it was taken back.
        if (this.#admitted !== null) await this.#ask("POST", `/v1/hub/devices/${this.#admitted}/admit`);
      },
      keptAside: () => keptAside(hubStores.databaseUrl),
      findings: async () => {
        const found = await this.#jobs.deepFindings();
        return [...found, ...(await ledgerFindings(hubStores.databaseUrl, this.#restores, recorder))];
      },
    };
  }

  async open(setting: EdgeSetting): Promise<ProcessEdge> {
    const { keys, proxy, program } = this.#parts;
    const apiKey = keys.of(setting.index);
    const way = proxy.wayOf(setting.index, setting.random);
    const edge = await ProcessEdge.open(setting, { program, way, apiKey, aheadMs: () => this.#aheadMs });
    this.#edges.push(edge);
    return edge;
  }

  advance(milliseconds: number): void {
    this.#aheadMs += milliseconds;
    for (const edge of this.#edges) edge.tellClock();
  }

  /** Its key is taken away, or the device is revoked: the same to its user. */
  async refuse(edge: EdgeUnderTest): Promise<void> {
    const { random, keys, hub } = this.#parts;
    if (random.below(2) === 0) {
      const { device } = await edge.store.status();
      const revoked = await this.#ask("DELETE", `/v1/hub/devices/${device}`);
      if (revoked === 200) this.#revokedDevices.set(edge, device);
      if (revoked !== 404) return; // It has not called yet: then its key is taken away.
    }
    keys.remove(edge.setting.index);
    await keys.write();
    await hub.kill("hub idle"); // It reads its keys anew.
  }

  /** The device is admitted, or gets a new key, of the same owner or of another one. */
  async admit(edge: EdgeUnderTest): Promise<void> {
    const { random, keys, hub } = this.#parts;
    const device = this.#revokedDevices.get(edge);
    if (device !== undefined) {
      await this.#ask("POST", `/v1/hub/devices/${device}/admit`);
      this.#admitted = device;
      return;
    }
    const { index } = edge.setting;
    const renewed = edge as ProcessEdge;
    renewed.apiKey = keys.add(index, random.below(2) === 0 ? `edge-${index}` : `edge-${index}-renewed`);
    await keys.write();
    await hub.kill("hub idle");
    await renewed.kill("idle"); // It starts with its new key.
  }

  async calm(): Promise<void> {
    const { hub } = this.#parts;
    hub.rates = NO_FAULTS;
    await hub.running();
    // A restored hub compares its stores, and may take contents back from its Redis: edges are at rest once it is.
    if (this.#restores > 0) await this.#jobs.deepFindings();
  }

  get #jobs(): HubJobs {
    const { hub, keys } = this.#parts;
    return new HubJobs(hub.url, keys.admin);
  }

  async close(): Promise<void> {
    await this.#parts.close();
  }

  async #whileStopped(work: () => Promise<void>): Promise<void> {
    const { hub } = this.#parts;
    await hub.stop();
    await work();
    await hub.start();
  }

  async #ask(method: string, path: string): Promise<number> {
    const { hub, keys } = this.#parts;
    await hub.running();
    const response = await fetch(hub.url + path, { method, headers: { authorization: `Bearer ${keys.admin}` } });
    await response.body?.cancel();
    return response.status;
  }
}

const EDGES_MAX = 8;

/** The keys file of the hub: an administrator's, and one of each edge. */
class Keys {
  readonly admin: string;
  readonly #stores: HubStores;
  readonly #entries = new Map<number | "admin", KeyEntry>();
  readonly #keys: readonly string[];
  #count = 0;

  constructor(stores: HubStores) {
    this.#stores = stores;
    const { key, entry } = createKey({ id: "admin", scope: "admin", namespaces: "*" });
    this.admin = key;
    this.#entries.set("admin", entry);
    this.#keys = Array.from({ length: EDGES_MAX }, (_, edge) => this.add(edge, `edge-${edge}`));
  }

  /** The key that an edge begins with. */
  of(edge: number): string {
    return this.#keys[edge] as string;
  }

  add(edge: number, owner: string): string {
    const { key, entry } = createKey({ id: `key-${++this.#count}`, scope: "write", namespaces: "*", owner });
    this.#entries.set(edge, entry);
    return key;
  }

  remove(edge: number): void {
    this.#entries.delete(edge);
  }

  async write(): Promise<void> {
    await this.#stores.writeKeys([...this.#entries.values()]);
  }
}
