// A store of a user's own behind a server, as the setting `stores: [{ module, options: { url } }]` loads it. Plain
// JavaScript, since the built program loads it without a compiler.
import { deserialize, serialize } from "node:v8";
import { BucketDigests, StoreUnavailableError, signalError } from "mnemosync/stores";

const ID = "keywords";

/** @param {{ url: string }} options */
export function createStore({ url }) {
  /** @param {string} method @param {unknown[]} args @param {AbortSignal} signal @returns {Promise<any>} */
  async function call(method, args, signal) {
    let response;
    try {
      response = await fetch(`${url}/${method}`, { method: "POST", body: serialize(args), signal });
      const body = Buffer.from(await response.arrayBuffer());
      if (response.ok) return deserialize(body);
      throw new StoreUnavailableError(ID, body.toString());
    } catch (error) {
      if (signal.aborted) throw signalError(ID, signal);
      if (error instanceof StoreUnavailableError) throw error;
      throw new StoreUnavailableError(ID, "its server does not answer", { cause: error });
    }
  }
  return {
    id: ID,
    traits: { scope: "shared", holds: new Set(["documents"]) },
    prepare: (batch, signal) => call("prepare", [batch], signal),
    publish: (changes, signal) => call("publish", [changes], signal),
    discard: async () => undefined,
    read: (keys, options, signal) => call("read", [keys, options], signal),
    scan: (cursor, { limit = 1_000, buckets }, signal) =>
      call("scan", [cursor, limit, buckets === undefined ? null : buckets.values()], signal),
    async digest(signal) {
      return Object.assign(new BucketDigests(), await call("digest", [], signal));
    },
    count: (signal) => call("count", [], signal),
    flaw({ data }, expected) {
      if (data?.documentJson?.toString() !== expected.documentJson) return "the document is another one";
      return data.versionVector === JSON.stringify(expected.versionVector) ? null : "the version vector is another one";
    },
    replace: (replacements, signal) => call("replace", [replacements], signal),
    generation: (signal) => call("generation", [], signal),
    health: (signal) =>
      call("health", [], signal).catch((error) => ({ state: "down", reason: /** @type {Error} */ (error).message })),
  };
}
