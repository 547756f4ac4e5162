import postgres from "postgres";
import { pause, pollUntil } from "../../../../src/dev/wait.ts";

/** Milliseconds in which a hub that was killed or restored must be clean: its backlog is drained, its stores are compared. */
const CLEAN_MAX_MS = 60_000;
const JOB_MAX_MS = 30_000;
const OTHER_CHECK_MS = 100;

interface CheckJob {
  readonly id: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly error: unknown;
  readonly result: { readonly findings: readonly { memoryId: string; store: string; kind: string }[] } | null;
}

/** The hub's own deep check, over HTTP, until it is clean. @returns what it finds in the end. */
export async function deepFindings(url: string, adminKey: string): Promise<string[]> {
  let found: string[] = ["the hub's deep check did not run"];
  const until = performance.now() + CLEAN_MAX_MS;
  while (found.length > 0 && performance.now() < until) found = await deepCheck(url, adminKey);
  return found;
}

async function deepCheck(url: string, adminKey: string): Promise<string[]> {
  const headers = { authorization: `Bearer ${adminKey}`, "content-type": "application/json" };
  const body = JSON.stringify({ scope: "deep" });
  const started = await fetch(`${url}/v1/checks`, { method: "POST", headers, body });
  if (started.status !== 202) {
    // The consistency loop is at it. Its check is one as well, but not a deep one.
    await started.body?.cancel();
    await pause(OTHER_CHECK_MS);
    return [`the hub refused a deep check with ${started.status}`];
  }
  let job = (await started.json()) as CheckJob;
  await pollUntil("the deep check", JOB_MAX_MS, async () => {
    job = (await (await fetch(`${url}/v1/jobs/${job.id}`, { headers })).json()) as CheckJob;
    return job.state !== "running";
  });
  if (job.result === null) return [`the hub's deep check ended as ${job.state}: ${JSON.stringify(job.error)}`];
  return job.result.findings.map(
    ({ memoryId, store, kind, ...more }) =>
      `the hub's check: ${memoryId} is ${kind} in ${store}: ${JSON.stringify(more)}`,
  );
}

/**
 * What the ledger tells of its past: a hot memory never has the same content at two versions, since each content is that of one
 * edit; and each restore began an epoch.
 */
export async function ledgerFindings(databaseUrl: string, restores: number): Promise<string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const twice = await sql<{ memory_id: string; versions: number[] }[]>`
      select memory_id, array_agg(version::int order by version) as versions from mnemosync.memory_bodies
      where memory_id like 'hot-%' and checksum is not null
      group by memory_id, checksum having count(*) > 1`;
    const [{ epochs } = { epochs: 0 }] = await sql<{ epochs: number }[]>`
      select count(*)::int as epochs from mnemosync.epochs`;
    return [
      ...twice.map(({ memory_id, versions }) => `${memory_id} has one content at versions ${versions.join(" and ")}`),
      ...(epochs === 1 + restores ? [] : [`the hub had ${epochs} epochs and ${restores} restores`]),
    ];
  } finally {
    await sql.end({ timeout: 1 });
  }
}
