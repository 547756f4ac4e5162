/**
 * A receiver of mnemosync's webhooks, without a library: it verifies each call, keeps what it says, and passes over what it
 * has had.
 *
 *     export MNEMOSYNC_WEBHOOK_SECRET=whsec_…   # as `mnemosync subscription add` showed it
 *     npx tsx examples/webhook-receiver.ts
 *
 * Receivers need a public https address. For a try on one machine the service must allow others:
 * MNEMOSYNC_WEBHOOKS_ALLOW_HTTP=true MNEMOSYNC_WEBHOOKS_ALLOWED_ADDRESSES=127.0.0.1
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { pathToFileURL } from "node:url";

/** A message, as docs/webhooks.md describes it. */
export interface Message {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

export interface ReceiverOptions {
  /** The present secret, and the one before it while it still signs. */
  readonly secrets: readonly string[];
  /** Called once per message, unless it throws: then the message comes again. */
  readonly onMessage: (message: Message, id: string) => Promise<void> | void;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const AGE_MAX_S = 300;
/** Ids that are remembered. A real receiver keeps them beside its data, for as long as messages may come again: some days. */
const IDS_MAX = 10_000;

/** A server that answers 204 once a message is kept, 401 to what is not genuine, and 500 where `onMessage` throws. */
export function createReceiver({ secrets, onMessage }: ReceiverOptions): Server {
  const seen = new Set<string>();
  return createServer(async (request, response) => {
    try {
      const body = await bodyOf(request);
      const id = String(request.headers["webhook-id"] ?? "");
      if (!isGenuine(request, body, secrets)) {
        response.writeHead(401).end();
        return;
      }
      if (!seen.has(id)) {
        await onMessage(JSON.parse(body) as Message, id);
        seen.add(id);
        if (seen.size > IDS_MAX) seen.delete(seen.values().next().value as string);
      }
      response.writeHead(204).end();
    } catch {
      response.writeHead(500).end();
    }
  });
}

/** Whether one of the signatures is by one of the secrets, over the id, the time and the text as it came. */
function isGenuine({ headers }: IncomingMessage, body: string, secrets: readonly string[]): boolean {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = headers;
  if (typeof signatures !== "string" || !(Math.abs(Date.now() / 1_000 - Number(timestamp)) <= AGE_MAX_S)) return false;
  const given = signatures.split(" ").map((entry) => Buffer.from(entry.replace(/^v1,/, ""), "base64"));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
    return given.some((mac) => mac.length === expected.length && timingSafeEqual(mac, expected));
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) throw new Error("the body is too large");
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const secret = process.env.MNEMOSYNC_WEBHOOK_SECRET;
  if (secret === undefined) throw new Error("set MNEMOSYNC_WEBHOOK_SECRET to the subscription's secret");
  const known = new Map<string, unknown>();
  const receiver = createReceiver({
    secrets: [secret],
    onMessage: ({ type, data }) => {
      const name = `${data.namespace}/${data.memoryId}`;
      if (type === "memory.put") known.set(name, data.memory);
      else if (type === "memory.deleted" || type === "memory.withdrawn") known.delete(name);
      console.log(type, name, `${known.size} known`);
    },
  });
  receiver.listen(Number(process.env.PORT ?? 8421), "127.0.0.1", () => console.log("listening", receiver.address()));
}
