import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { EmbeddedServer, type EmbeddedServerOptions } from "./embedded-server.ts";
import { Lifeline } from "./lifeline.ts";
import type { ServerProgram } from "./server-program.ts";

export interface EmbeddedRedisOptions extends EmbeddedServerOptions {
  /**
   * Whether acknowledged writes survive `kill` and `restart` (an append-only file, synced on every write).
   * Without it every restart starts empty.
   * @default false
   */
  persistent?: boolean;
  /** Directives of redis.conf by name, such as `{ maxmemory: "8mb" }`; they override the defaults here. */
  settings?: Readonly<Record<string, string | number>>;
}

/** Milliseconds for one attempt to get an answer while the server starts. */
const answerDeadlineMs = 500;

/**
 * A real Redis that answers at `url`, with a random password. The program is `redis-server` on the PATH, or the
 * one that MNEMOSYNC_REDIS_SERVER names. Takes a few hundredths of a second.
 * @throws {StoreUnavailableError} It is not installed or did not start; the message ends with its log.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions = {}): Promise<EmbeddedServer> {
  const lifeline = new Lifeline("redis", options.parentFolder);
  try {
    const password = randomBytes(16).toString("hex");
    const settings = {
      bind: "127.0.0.1",
      dir: lifeline.folder,
      // A password, because every user of this machine can reach the port. In a file, because they can read command lines too.
      requirepass: password,
      save: '""',
      appendonly: options.persistent === true ? "yes" : "no",
      appendfsync: "always",
      ...options.settings,
    };
    const settingsFile = join(lifeline.folder, "redis.conf");
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(settingsFile, lines.join(""), { mode: 0o600 });
    const server = new EmbeddedServer(redisProgram(settingsFile, String(settings.requirepass)), lifeline, options);
    await server.start();
    return server;
  } catch (error) {
    await lifeline.close();
    throw error;
  }
}

function redisProgram(settingsFile: string, password: string): ServerProgram {
  return {
    store: "redis",
    stopSignal: "SIGTERM",
    quitSignal: "SIGKILL",
    portTaken: /Address already in use/,
    command: (port) => ({
      file: process.env.MNEMOSYNC_REDIS_SERVER ?? "redis-server",
      args: [settingsFile, "--port", String(port)],
    }),
    isReady: (port) => answersPing(port, password),
    url: (port) => `redis://:${password}@127.0.0.1:${port}`,
  };
}

/** Whether this server answers: only it knows the random password. False while it still loads its data. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let answer = "";
    const settle = (ready: boolean): void => {
      resolve(ready);
      socket.destroy();
    };
    socket.setTimeout(answerDeadlineMs, () => settle(false));
    socket.on("error", () => settle(false));
    socket.on("close", () => settle(false));
    socket.on("connect", () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (answer.includes("+PONG\r\n")) settle(true);
      else if (answer.split("\r\n").length > 2) settle(false);
    });
  });
}
