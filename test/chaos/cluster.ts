import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { childrenOf, isAlive } from "../../src/dev/processes.ts";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { IGNORED_PARAMETERS, pgBouncerIsInstalled, startPgBouncer } from "../support/pgbouncer.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import type { LossWindow } from "./loss-window.ts";
import type { NodeAnswer, NodeCommand, NodeSettings } from "./messages.ts";
import { RedisPair } from "./redis-pair.ts";

/** Milliseconds that a node may take to answer: it may have to wait out deadlines of its own first. */
const ANSWER_DEADLINE_MS = 90_000;

/** A node process and what it said. */
export class ChaosNode {
  readonly settings: NodeSettings;
  readonly #failures: string[];
  #child: ChildProcess | null = null;
  #answers: NodeAnswer[] = [];

  constructor(settings: NodeSettings, failures: string[]) {
    this.settings = settings;
    this.#failures = failures;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process, and its load. Does not wait for it. */
  start(): void {
    const program = fileURLToPath(new URL("./node.ts", import.meta.url));
    const child = fork(program, {
      execArgv: ["--import", "tsx"],
      env: { ...process.env, CHAOS_NODE: JSON.stringify(this.settings) },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#answers = [];
    child.on("message", (answer: NodeAnswer) => {
      this.#answers.push(answer);
      if (answer.answer === "failed") this.#failures.push(`node ${this.settings.nodeId}: ${answer.error}`);
    });
    child.on("exit", (code, signal) => {
      if (signal !== "SIGKILL" && code !== 0) {
        this.#failures.push(`node ${this.settings.nodeId} ended with ${signal ?? `exit code ${code}`}`);
      }
    });
    this.#child = child;
  }

  /** SIGKILL, then a new process on the same folder. */
  async crash(): Promise<void> {
    const pid = this.pid;
    this.#child?.kill("SIGKILL");
    if (pid !== undefined) await pollUntil("the node to be gone", 10_000, () => !isAlive(pid));
    this.start();
  }

  /** The node's FAISS host; undefined while it is being started. */
  hostPid(): number | undefined {
    const children = this.pid === undefined ? [] : childrenOf(this.pid);
    return children.find((pid) => commandOf(pid).includes("/faiss/host"));
  }

  async waitFor<Kind extends NodeAnswer["answer"]>(kind: Kind): Promise<Extract<NodeAnswer, { answer: Kind }>> {
    let found: NodeAnswer | undefined;
    await pollUntil(`node ${this.settings.nodeId} to say ${kind}`, ANSWER_DEADLINE_MS, () => {
      if (this.#child?.exitCode !== null) throw new Error(`node ${this.settings.nodeId} ended`);
      found = this.#answers.find((answer) => answer.answer === kind);
      return found !== undefined;
    });
    return found as Extract<NodeAnswer, { answer: Kind }>;
  }

  async ask<Kind extends NodeAnswer["answer"]>(
    command: "settle" | "check" | "close",
    kind: Kind,
  ): Promise<Extract<NodeAnswer, { answer: Kind }>> {
    this.#answers = this.#answers.filter((answer) => answer.answer !== kind);
    this.#child?.send({ command });
    return await this.waitFor(kind);
  }

  /** Sends a command that has no answer. */
  tell(command: NodeCommand): void {
    if (this.#child?.connected === true) this.#child.send(command);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }
}

/** Two nodes on one PostgreSQL and one Redis, all of them ours to break. */
export interface Cluster {
  readonly folder: string;
  /** The server that takes writes. */
  readonly postgres: EmbeddedServer;
  /** Another one, which becomes a standby for a failover. The same as `postgres` in a run without history faults. */
  readonly standby: EmbeddedServer;
  /** For programs that look at the ledger themselves. */
  readonly postgresUrl: string;
  /** Times of which acknowledged writes may be lost. */
  readonly windows: LossWindow[];
  /** Times of which only reads may have seen what is not in the ledger. */
  readonly readWindows: LossWindow[];
  /** Times of which reads may have seen a version and then an older one: Redis became one that lagged behind. */
  readonly olderWindows: { readonly fromMs: number; toMs: number }[];
  /** Redis failed over, by a fault that began at `fromMs`: reads of the old one are excused until it is a replica. */
  noteFailover(fromMs: number): void;
  /** When the ledger last became one that may lack something, just before it took writes; null: never. */
  wentBackAtMs: number | null;
  /** Writes a fault, or a window of `windows`, into `faults.jsonl` beside the histories: without it no break can be explained. */
  recordFault(fault: LossWindow & { readonly name: string }): void;
  /** Swaps the two servers: `url` is where `standby` takes writes from now on. */
  moveTo(standby: EmbeddedServer, url: string): void;
  /** The Redis that takes writes, as of the last `settle`, and its proxy. */
  readonly redis: EmbeddedServer;
  readonly redisProxy: TcpProxy;
  /** Null in a run with one Redis. */
  readonly redisPair: RedisPair | null;
  /** Nodes, or the pooler before it, reach PostgreSQL by it. */
  readonly postgresProxy: TcpProxy;
  /** The standby streams by it. */
  readonly replicationProxy: TcpProxy;
  /** Between the first node and `postgresProxy`; null in a run without. */
  readonly pooler: EmbeddedServer | null;
  /** With the files of both PostgreSQL servers; null in a run without. */
  readonly disk: SmallDisk | null;
  /** Finds out which Redis takes writes now, after a fault that may have moved it. @returns whether it moved. */
  settle(): Promise<boolean>;
  readonly nodes: readonly ChaosNode[];
  /** What went wrong and should not have, whatever the faults. */
  readonly failures: string[];
  /** Ends everything. The folder with the histories is kept when `keep` says so. */
  close(options: { keep: boolean }): Promise<void>;
}

export async function openCluster(options: {
  seed: number;
  keys: number;
  writersPerNode: number;
  /** Whether stores will go back in time. */
  history: boolean;
  /** Whether Redis is a pair with a sentinel, one node goes through PgBouncer, and PostgreSQL has a disk of its own. */
  deployment: boolean;
  log: (line: string) => void;
}): Promise<Cluster> {
  const { deployment, log } = options;
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-chaos-"));
  const failures: string[] = [];
  const disk = deployment ? SmallDisk.mount(log) : null;
  const parentFolder = disk === null ? {} : { parentFolder: disk.folder };
  // Small files of the write-ahead log: what a full disk stops is the next one of them.
  const settings = { max_connections: 200, ...(disk !== null && { max_wal_size: "64MB", min_wal_size: "32MB" }) };
  // What Redis acknowledged survives its crash: then the stores must agree again without a repair.
  const durable = { appendfsync: "always" };
  const [postgres, single, redisPair] = await Promise.all([
    startEmbeddedPostgres({ settings, ...parentFolder }),
    deployment ? null : startEmbeddedRedis({ persistent: true, settings: durable }),
    deployment ? RedisPair.start(durable) : null,
  ]);
  // A password of its own does no harm: it becomes a copy of the other one.
  const standby = options.history ? await startEmbeddedPostgres({ settings, ...parentFolder }) : postgres;
  const postgresProxy = await TcpProxy.start(postgres.port);
  const replicationProxy = await TcpProxy.start(postgres.port);
  const redis = redisPair?.primary.server ?? (single as EmbeddedServer);
  const redisProxy = redisPair?.primary.proxy ?? (await TcpProxy.start(redis.port));
  const pooler = deployment ? await startPooler(postgresProxy.through(postgres.url), log) : null;
  const nodes = ["a", "b"].map((name) => {
    mkdirSync(join(folder, name));
    return new ChaosNode(
      {
        seed: options.seed,
        nodeId: name,
        postgresUrl: name === "a" && pooler !== null ? pooler.url : postgresProxy.through(postgres.url),
        redisUrl: redisPair?.url ?? redisProxy.through(redis.url),
        directory: join(folder, name, "faiss"),
        historyFile: join(folder, `${name}.jsonl`),
        writers: options.writersPerNode,
        keys: options.keys,
        dimension: 32,
        history: options.history,
      },
      failures,
    );
  });
  for (const node of nodes) node.start();
  await Promise.all(nodes.map((node) => node.waitFor("ready")));
  const close = async ({ keep }: { keep: boolean }): Promise<void> => {
    for (const node of nodes) node.kill();
    await Promise.allSettled([postgresProxy.close(), replicationProxy.close(), redisProxy.close()]);
    const servers = [postgres, standby, single, redisPair, pooler];
    await Promise.allSettled(servers.map((server) => server?.close()));
    disk?.unmount();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  };
  const cluster = {
    folder,
    postgres,
    standby,
    postgresUrl: postgres.url,
    windows: [],
    readWindows: [],
    olderWindows: [] as { fromMs: number; toMs: number }[],
    wentBackAtMs: null as number | null,
    redis,
    redisPair,
    postgresProxy,
    replicationProxy,
    redisProxy,
    pooler,
    disk,
    nodes,
    failures,
    close,
    noteFailover(fromMs: number): void {
      const window = { fromMs, toMs: Number.POSITIVE_INFINITY };
      cluster.olderWindows.push(window);
      const end = (): void => {
        window.toMs = Date.now();
        cluster.recordFault({ name: "(the old redis is a replica)", ...window });
      };
      redisPair?.untilDemoted().then(end, end);
    },
    recordFault(fault: LossWindow & { readonly name: string }): void {
      appendFileSync(join(folder, "faults.jsonl"), `${JSON.stringify(fault)}\n`);
    },
    moveTo(promoted: EmbeddedServer, url: string): void {
      [cluster.postgres, cluster.standby] = [promoted, cluster.postgres];
      cluster.postgresUrl = url;
      for (const proxy of [postgresProxy, replicationProxy]) {
        proxy.retarget(promoted.port);
        proxy.reset();
      }
    },
    async settle(): Promise<boolean> {
      if (redisPair === null) return false;
      await redisPair.settle();
      const { server, proxy } = redisPair.primary;
      const moved = cluster.redis !== server;
      [cluster.redis, cluster.redisProxy] = [server, proxy];
      return moved;
    },
  };
  return cluster;
}

/** In session mode: the others are refused. Impatient, since it lives among faults of some seconds. */
async function startPooler(target: string, log: (line: string) => void): Promise<EmbeddedServer | null> {
  if (!pgBouncerIsInstalled()) {
    log("skipped: PgBouncer before PostgreSQL: pgbouncer is not installed (Debian: apt-get install pgbouncer)");
    return null;
  }
  return await startPgBouncer(target, [
    "pool_mode = session",
    IGNORED_PARAMETERS,
    "default_pool_size = 100",
    "max_client_conn = 200",
    "server_login_retry = 1",
    "server_connect_timeout = 3",
  ]);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended just now.
  }
}
