import type { ConnectOptions } from "../../src/index.ts";
import { openWorld, type World } from "./world.ts";

/** 32 bytes, in base64. */
export const SECRET_KEY = Buffer.alloc(32, 7).toString("base64");

/** Settings under which receivers on this machine are called, and failures repeated soon. */
export const WEBHOOKS: NonNullable<ConnectOptions["webhooks"]> = {
  secretKey: SECRET_KEY,
  allowedAddresses: ["127.0.0.1"],
  allowHttp: true,
  timeoutMs: 15_000,
  retryMaxMs: 50,
};

type Test = Parameters<typeof openWorld>[0];

/** A world whose background work delivers webhooks. */
export async function openWebhookWorld(
  t: Test,
  webhooks: ConnectOptions["webhooks"] = {},
  settings: Partial<ConnectOptions> = {},
): Promise<World> {
  const world = await openWorld(t, { faiss: false, settings: { webhooks: { ...WEBHOOKS, ...webhooks }, ...settings } });
  world.sync.start();
  return world;
}
