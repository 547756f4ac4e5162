import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { BucketSet, MnemosyncError, type Projection } from "mnemosync/stores";
import { OwnStore } from "./own-store.ts";

/** The module that a settings file names: the client of `serveOwnStore`, as a user would write it. */
export const OWN_STORE_MODULE = fileURLToPath(new URL("own-store-client.mjs", import.meta.url));

/** Values of the setting `stores` for programs that are to use the store at `url`. */
export function ownStoreSetting(url: string): string {
  return JSON.stringify([{ module: OWN_STORE_MODULE, options: { url } }]);
}

type Arguments<Name extends "prepare" | "publish" | "read" | "replace"> = Parameters<Projection[Name]>;

/** A call of the contract, with arguments and an answer that can be sent. */
function call(store: OwnStore, method: string, args: unknown[], signal: AbortSignal): Promise<unknown> | undefined {
  switch (method) {
    case "prepare":
      return store.prepare(args[0] as Arguments<"prepare">[0], signal);
    case "publish":
      return store.publish(args[0] as Arguments<"publish">[0], signal);
    case "read":
      return store.read(...(args as [Arguments<"read">[0], Arguments<"read">[1]]), signal);
    case "replace":
      return store.replace(args[0] as Arguments<"replace">[0], signal);
    case "scan": {
      const [cursor, limit, members] = args as [string | null, number, number[] | null];
      const buckets = members === null ? undefined : new BucketSet();
      for (const bucket of members ?? []) buckets?.add(bucket);
      return store.scan(cursor, { limit, ...(buckets && { buckets }) }, signal);
    }
    case "digest":
      return store.digest(signal).then((digests) => ({ ...digests }));
    case "count":
      return store.count(signal);
    case "generation":
      return store.generation();
    case "health":
      return store.health(signal);
    default:
      return undefined;
  }
}

/** An own store behind a server of its own, so that several processes share it. */
export async function serveOwnStore(t: { onTestFinished: (finish: () => Promise<void>) => void }) {
  const store = new OwnStore();
  const server = createServer(async (request, response) => {
    try {
      const body = Buffer.concat(await request.toArray());
      const args = deserialize(body) as unknown[];
      const answer = call(store, request.url?.slice(1) ?? "", args, AbortSignal.timeout(90_000));
      if (answer === undefined) throw new Error(`no method ${request.url}`);
      response.end(serialize(await answer));
    } catch (error) {
      response.statusCode = error instanceof MnemosyncError ? 503 : 500;
      response.end(String((error as Error).message));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { store, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
