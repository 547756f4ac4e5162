import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { createKey } from "../../src/http/keys.ts";
import { openCommandLine, startProgram } from "../support/command-line.ts";
import { withContent } from "../support/own-store.ts";
import { OWN_STORE_MODULE, ownStoreSetting, serveOwnStore } from "../support/own-store-server.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";

/**
 * Goal: the command line and the service have a store that the setting `stores` names, beside a deployment that runs.
 * Method: the store's server is in the test; `serve` and each command are processes of their own, with the client module.
 */

vi.setConfig({ testTimeout: 400_000 });

const OWN = "keywords";
const UNHURRIED = { timeout: 60_000 };
const DEPLOYMENTS = [
  { name: "with Redis and FAISS", without: {}, others: ["redis", "faiss"] },
  {
    name: "without Redis and FAISS",
    without: { MNEMOSYNC_REDIS_URL: "none", MNEMOSYNC_FAISS_DIRECTORY: "none", MNEMOSYNC_EMBEDDING_PROVIDER: "none" },
    others: [],
  },
] as const;

interface Document {
  readonly stores: Record<string, { state: string; memories: number | null }>;
  readonly findings: readonly object[];
  readonly entries: readonly { store: string; memoryId: string }[];
}

/** The service on the command line's stores, with an index folder of its own. @returns a client with the admin's key. */
async function serve(t: Parameters<typeof serveOwnStore>[0], environment: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-own-store-"));
  t.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { key, entry } = createKey({ id: "test", scope: "admin", namespaces: "*" });
  await writeFile(join(folder, "keys.json"), JSON.stringify({ keys: [entry] }));
  const { child, ended } = startProgram(["serve", "--json"], {
    ...environment,
    ...(environment.MNEMOSYNC_FAISS_DIRECTORY !== "none" && { MNEMOSYNC_FAISS_DIRECTORY: join(folder, "faiss") }),
    MNEMOSYNC_HTTP_PORT: "0",
    MNEMOSYNC_HTTP_KEYS_FILE: join(folder, "keys.json"),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  await pollUntil("the service", 60_000, () => {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${output}`);
    return output.includes("ready");
  });
  const url = /listening on (\S+)/.exec(output)?.[1];
  return {
    child,
    ended,
    async request(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const response = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      return { status: response.status, text: await response.text() };
    },
  };
}

describe.each(DEPLOYMENTS)("programs with an own store $name", ({ without, others }) => {
  test("write, show, check and repair it, and work its queue", async (t) => {
    const { store, url } = await serveOwnStore(t);
    const cli = await openCommandLine({ empty: true, isProcess: true });
    const settings = { MNEMOSYNC_STORES: ownStoreSetting(url), MNEMOSYNC_CONSISTENCY_CHECK_INTERVAL_MS: "3600000" };
    // Long: what is queued stays queued while the command line looks at it. Patient: the store's server is in this process, which
    // may be busy.
    const patient = { MNEMOSYNC_SYNC_INTERVAL_MS: "3600000", MNEMOSYNC_PREPARE_TIMEOUT_MS: "20000" };
    Object.assign(cli.environment, settings, patient, without);
    const service = await serve(t, cli.environment);
    const ids = ["postgres", ...others, OWN];

    const memory = { content: "green tea", memoryType: "semantic" };
    const put = await service.request("PUT", "/v1/namespaces/default/memories/m1", memory);
    expect(put.status).toBe(201);
    expect(JSON.parse(put.text)).toMatchObject({
      status: "synced",
      stores: Object.fromEntries(ids.map((id) => [id, "applied"])),
    });
    expect(await cli.json(["put", "m2", "--content", "black tea"])).toMatchObject({
      code: 0,
      document: { status: "synced", stores: { [OWN]: "applied" } },
    });
    expect(store.find("default", "tea")).toEqual(["m1", "m2"]);

    // An answer that takes longer than a second, as on a busy machine, counts as degraded until the next one.
    const status = async () => (await cli.json<Document>(["status"])).document.stores;
    await expect.poll(async () => (await status())[OWN], UNHURRIED).toEqual({ state: "healthy", memories: 2 });
    expect(Object.keys(await status())).toEqual(ids);
    const ready = async () => JSON.parse((await service.request("GET", "/readyz")).text);
    await expect.poll(ready, UNHURRIED).toMatchObject({ ready: true, stores: { [OWN]: { state: "healthy" } } });
    const seen = JSON.parse((await service.request("GET", "/v1/status")).text);
    expect(Object.keys(seen.stores)).toEqual(ids);

    // Drift: found by the command line, repaired by it, and no more seen by the service.
    store.lose("m1");
    store.forge({ ...withContent(store.live("m2"), "unknown"), memoryId: "orphan" });
    const check = await cli.json<Document>(["check", "--store", OWN]);
    expect(check).toMatchObject({ code: 1, document: { clean: false, stores: [OWN] } });
    expect(check.document.findings).toEqual(
      expect.arrayContaining([
        { namespace: "default", memoryId: "m1", store: OWN, kind: "missing", expectedVersion: 1, foundVersion: null },
        {
          namespace: "default",
          memoryId: "orphan",
          store: OWN,
          kind: "orphan",
          expectedVersion: null,
          foundVersion: 1,
        },
      ]),
    );
    expect((await cli.run(["check"])).stdout).toContain(OWN);
    expect(await cli.json(["repair"])).toMatchObject({ code: 0, document: { repaired: 2, failed: 0, deferred: 0 } });
    expect(store.find("default", "green")).toEqual(["m1"]);
    const started = await service.request("POST", "/v1/checks", { scope: "deep" });
    const { id } = JSON.parse(started.text);
    await pollUntil("the service's check", 60_000, async () => {
      const job = JSON.parse((await service.request("GET", `/v1/jobs/${id}`)).text);
      if (job.state === "failed") throw new Error(JSON.stringify(job));
      return job.state === "done" || job.state === "completed" || job.state === "succeeded";
    });
    expect(JSON.parse((await service.request("GET", `/v1/jobs/${id}`)).text)).toMatchObject({
      result: { clean: true },
    });

    // Its server is away: the write is degraded, the queue and the metrics name the store.
    store.unplug();
    const degraded = await service.request("PUT", "/v1/namespaces/default/memories/m3", memory);
    expect(JSON.parse(degraded.text)).toMatchObject({ status: "degraded", stores: { [OWN]: "pending" } });
    const down = await cli.json<Document>(["status"]);
    expect(down).toMatchObject({ code: 2, document: { stores: { [OWN]: { state: "down", memories: null } } } });
    const queue = await cli.json<Document>(["queue"]);
    expect(queue.document.entries).toMatchObject([{ store: OWN, memoryId: "m3", nodeId: "" }]);
    expect((await cli.run(["queue"])).stdout).toContain(OWN);
    // Readings of the ledger are shared for a while with those that the service makes by itself.
    const pending = async () => {
      const metrics = parsePrometheusText((await service.request("GET", "/metrics")).text);
      return sampleValue(metrics, "mnemosync_queue_depth", { store: OWN, state: "pending" });
    };
    await expect.poll(pending, UNHURRIED).toBe(1);
    expect(await cli.json(["check"])).toMatchObject({ code: 2 });

    // It is back: a repair by the command line publishes the backlog first.
    store.plugIn();
    await pollUntil("the queue being worked", 60_000, async () => {
      await cli.run(["repair"]);
      return (await cli.json<Document>(["queue"])).document.entries.length === 0;
    });
    expect(store.live("m3")).toMatchObject({ version: 1 });
    expect(await cli.json(["check", "--scope", "deep"])).toMatchObject({
      code: 0,
      document: { clean: true, checked: 4 },
    });

    service.child.kill("SIGTERM");
    expect((await service.ended).code).toBe(0);
  });
});

test("a command whose settings name an own store that cannot be loaded says so", async () => {
  const cli = await openCommandLine({ empty: true, isProcess: true });
  cli.environment.MNEMOSYNC_STORES = JSON.stringify([{ module: OWN_STORE_MODULE.replace("client", "nowhere") }]);
  expect(await cli.run(["status"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/store module .*nowhere\.mjs cannot be loaded/),
  });
});
