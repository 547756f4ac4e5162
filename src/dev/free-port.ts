import { once } from "node:events";
import { createServer } from "node:net";
import { ConfigurationError } from "../domain/errors.ts";

// Below the ranges that Linux (32768 up) and macOS (49152 up) take outgoing ports from. Inside them, a client that
// keeps reconnecting while the server is down can be given the server's own port, connect to itself and block it.
const lowestPort = 20_000;
const portCount = 12_000;
const attemptsMax = 50;

/**
 * A port on 127.0.0.1 that was free a moment ago. Another process may still take it first, so the caller retries with a new
 * one when its server cannot bind.
 */
export async function pickFreePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = lowestPort + Math.floor(Math.random() * portCount);
    if (await isFree(port)) return port;
  }
  throw new ConfigurationError(
    `no free port: ${attemptsMax} between ${lowestPort} and ${lowestPort + portCount} are taken`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: "127.0.0.1" });
    await once(probe, "listening");
  } catch {
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
