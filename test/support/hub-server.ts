import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { HubError } from "../../src/hub/protocol/codes.ts";
import { HUB_PATHS } from "../../src/hub/protocol/identity.ts";
import type { PushChanges } from "../../src/hub/protocol/push.ts";
import type { MemoryHub } from "./memory-hub.ts";

const STATUS: Readonly<Record<string, number>> = {
  SYNC_CONNECTION: 503,
  SYNC_BATCH: 422,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  DEVICE_REVOKED: 403,
  RESYNC_REQUIRED: 410,
};

/** A hub in memory, over HTTP. */
export async function serveHub(hub: MemoryHub, apiKey = "mns_key") {
  const headersSeen: IncomingMessage["headers"][] = [];
  const bodiesSeen: Buffer[] = [];
  const answer = async (request: IncomingMessage): Promise<unknown> => {
    headersSeen.push(request.headers);
    if (request.headers.authorization !== `Bearer ${apiKey}`)
      throw new HubError("UNAUTHENTICATED", "the key is unknown");
    const url = new URL(request.url ?? "/", "http://hub");
    const signal = new AbortController().signal;
    if (url.pathname === HUB_PATHS.changes) {
      const query = url.searchParams;
      const options = { limit: Number(query.get("limit")), waitMs: 0, namespaces: query.getAll("namespace") };
      return await hub.as(query.get("device") ?? "").changesAfter(query.get("cursor"), options, signal);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    bodiesSeen.push(body);
    const { device, ...call } = JSON.parse(body.toString("utf8")) as { device: string };
    if (url.pathname === HUB_PATHS.identify) return await hub.as(device).identify(signal);
    return await hub.as(device).push(call as unknown as PushChanges, signal);
  };
  const server = createServer((request, response) => {
    answer(request).then(
      (document) => send(response, 200, document),
      (error: unknown) => {
        const { code, message, resync } = error as HubError;
        send(response, STATUS[code] ?? 500, { code, detail: message, ...resync });
      },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${port}`, apiKey, headersSeen, bodiesSeen, close };
}

function send(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "content-encoding": "gzip", "retry-after": "7" });
  response.end(gzipSync(JSON.stringify(document)));
}
