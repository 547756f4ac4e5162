import postgres from "postgres";
import { pollUntil } from "../../../../src/dev/wait.ts";
import type { Recorder } from "../recorder.ts";

/**
 * Milliseconds in which a hub that was killed or restored must be clean by itself: its backlog is drained, its stores are
 * compared, and what differs is repaired.
 */
const CLEAN_MAX_MS = 120_000;
const JOB_MAX_MS = 120_000;

interface CheckJob {
  readonly id: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly error: unknown;
  readonly result: { readonly findings: readonly object[] } | null;
}

/** The hub's jobs over HTTP, as its operator starts them. */
export class HubJobs {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, adminKey: string) {
    this.#url = url;
    this.#headers = { authorization: `Bearer ${adminKey}`, "content-type": "application/json" };
  }

  /** Deep checks, which repair nothing, until one is clean. @returns what the last one found. */
  async deepFindings(): Promise<string[]> {
    let found: string[] = ["the hub's deep check did not run"];
    const until = performance.now() + CLEAN_MAX_MS;
    while (found.length > 0 && performance.now() < until) {
      const job = await this.#check();
      const findings = job.result?.findings ?? [];
      found =
        job.state === "done"
          ? findings.map((finding) => `the hub's check: ${JSON.stringify(finding)}`)
          : [`the hub's deep check ended as ${job.state}: ${JSON.stringify(job.error)}`];
    }
    return found;
  }

  async #check(): Promise<CheckJob> {
    let job: CheckJob | null = null;
    await pollUntil("a deep check of the hub's", JOB_MAX_MS, async () => {
      const body = JSON.stringify({ scope: "deep" });
      const started = await fetch(`${this.#url}/v1/checks`, { method: "POST", headers: this.#headers, body });
      if (started.status === 202) job = (await started.json()) as CheckJob;
      else await started.body?.cancel(); // Another one is running, of the consistency loop.
      return started.status === 202;
    });
    const { id } = job as unknown as CheckJob;
    await pollUntil("the end of the hub's deep check", JOB_MAX_MS, async () => {
      job = (await (await fetch(`${this.#url}/v1/jobs/${id}`, { headers: this.#headers })).json()) as CheckJob;
      return job.state !== "running";
    });
    return job as unknown as CheckJob;
  }
}

/**
 * What the ledger tells of its past: a hot memory never has the same content at two versions, since each content is that of one
 * edit; and each restore began an epoch. After a restore the hub's own repair may write a content again that Redis still held.
 */
export async function ledgerFindings(databaseUrl: string, restores: number, recorder: Recorder): Promise<string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const twice = await sql<{ memory_id: string; content: string; versions: number[] }[]>`
      select memory_id, min(document ->> 'content') as content, array_agg(version::int order by version) as versions from mnemosync.memory_bodies
      where memory_id like 'hot-%' and checksum is not null
      group by memory_id, checksum having count(*) > 1`;
    const [{ epochs } = { epochs: 0 }] = await sql<{ epochs: number }[]>`
      select count(*)::int as epochs from mnemosync.epochs`;
    return [
      ...(restores > 0 ? [] : twice).flatMap(({ memory_id, content, versions }) => [
        `${memory_id} has one content, ${content}, at versions ${versions.join(" and ")}`,
        ...recorder.mentions(content),
      ]),
      ...(epochs === 1 + restores ? [] : [`the hub had ${epochs} epochs and ${restores} restores`]),
    ];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Contents of edits that stand in the hub's own log of conflicts: of a restored ledger against what its Redis still held. */
export async function keptAside(databaseUrl: string): Promise<string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const rows = await sql<
      { text: string }[]
    >`select row_to_json(c)::text as text from mnemosync.conflict_resolutions c`;
    return rows.flatMap(({ text }) => text.match(/\bedit-\d+-/g) ?? []);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
