import { BucketSet } from "../domain/buckets.ts";
import { keyText, type MemoryKey, plainKey } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import {
  type KeyPosition,
  type LedgerVersion,
  listVersions,
  readDigests,
  readFlaws,
  readVersions,
} from "../ledger/read-statements.ts";
import { pause } from "../runtime/deadline.ts";
import { callSide } from "./call.ts";
import { readReplicaCursor } from "./cursor-statements.ts";
import { lostVersions } from "./lost-versions.ts";
import { ReplicaNotNowError } from "./not-now-error.ts";
import { type Difference, differenceOf, isBehind, readExpected, readNewest } from "./verify-statements.ts";

export interface VerifyOptions {
  /** Whether what differs is sent again. @default false */
  readonly repair?: boolean | undefined;
  /**
   * Whether the replica's contents are checked against their checksums too, and its history for what the primary lost: reads all of
   * them. @default false
   */
  readonly deep?: boolean | undefined;
}

export interface ReplicaFinding extends MemoryKey {
  readonly kind: Difference;
  /** Null: the primary does not know it. */
  readonly primaryVersion: number | null;
  /** Null: the replica does not have it. */
  readonly replicaVersion: number | null;
  /** Whether it was sent again, and fits now. Null: no repair was asked for. */
  readonly repaired: boolean | null;
}

export interface Verification {
  readonly clean: boolean;
  /** Live memories of the replica. */
  readonly checked: number;
  /** Buckets of 65,536 that were not equal, and were looked at memory by memory. */
  readonly bucketsCompared: number;
  readonly findings: readonly ReplicaFinding[];
  /** Memories that differed at each look and changed in between: on their way. */
  readonly underway: number;
  /** Whether more than 10,000 memories differ: the rest is not named. */
  readonly cut: boolean;
}

export interface VerifierParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly callTimeoutMs: number;
  readonly repair: (keys: readonly MemoryKey[], signal: AbortSignal) => Promise<void>;
}

const FINDINGS_MAX = 10_000;
const PAGE_SIZE = 1_000;
/** Looks at a memory that differs. */
const LOOKS_MAX = 3;
/** Milliseconds that the replica has to catch up with what was seen. */
const CATCH_UP_MS = 30_000;
const POLL_MS = 100;

/** Compares a replica with its primary: digests first, then the memories of the buckets that differ, then once more each. */
export class Verifier {
  readonly #parts: VerifierParts;

  constructor(parts: VerifierParts) {
    this.#parts = parts;
  }

  /** @throws {StoreUnavailableError} One of them is away, or the replica does not catch up: nothing is claimed. */
  async run({ repair = false, deep = false }: VerifyOptions, signal: AbortSignal): Promise<Verification> {
    const { primary, replica } = this.#parts;
    const [own, other] = await Promise.all([
      callSide(this.#parts, primary, signal, (sql) => readDigests(sql, "all")),
      callSide(this.#parts, replica, signal, (sql) => readDigests(sql, "all")),
    ]);
    const buckets = new BucketSet();
    for (const bucket of own.differences(other)) buckets.add(bucket);
    const suspects = new Map<string, MemoryKey>();
    if (buckets.size > 0) {
      // Private memories make buckets unequal that are as they should be: a look at each tells them apart.
      await this.#list(primary, buckets, suspects, signal);
      await this.#list(replica, buckets, suspects, signal);
    }
    const found = await this.#confirm([...suspects.values()], signal);
    const named = new Set(found.findings.map(keyText));
    const corrupt = deep ? (await this.#deep(signal)).filter((finding) => !named.has(keyText(finding))) : [];
    const all = [...found.findings, ...corrupt];
    const findings = repair ? await this.#repair(all.slice(0, FINDINGS_MAX), signal) : all.slice(0, FINDINGS_MAX);
    return {
      clean: all.length === 0,
      checked: other.total,
      bucketsCompared: buckets.size,
      findings,
      underway: found.underway,
      cut: all.length > FINDINGS_MAX,
    };
  }

  /** Keys of the two sides' rows in `buckets` that are not the same. */
  async #list(
    postgres: PostgresAccess,
    buckets: BucketSet,
    suspects: Map<string, MemoryKey>,
    signal: AbortSignal,
  ): Promise<void> {
    const isPrimary = postgres === this.#parts.primary;
    const { primary, replica } = this.#parts;
    for (let after: KeyPosition | null = null; ; ) {
      const place: KeyPosition | null = after;
      const rows: readonly (LedgerVersion & KeyPosition)[] = await callSide(this.#parts, postgres, signal, (sql) =>
        listVersions(sql, place, buckets, PAGE_SIZE),
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      const counterparts = await callSide(this.#parts, isPrimary ? replica : primary, signal, (sql) =>
        readVersions(sql, rows),
      );
      for (const row of rows) {
        const counterpart = counterparts.get(keyText(row));
        const isSame = counterpart?.version === row.version && counterpart.checksum === row.checksum;
        if (!isSame) suspects.set(keyText(row), plainKey(row));
      }
      after = { bucket: last.bucket, namespace: last.namespace, memoryId: last.memoryId };
    }
  }

  /** Looks at suspects again: what differs and stands still in the primary while the replica caught up is a finding. */
  async #confirm(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
  ): Promise<{ findings: ReplicaFinding[]; underway: number }> {
    const findings: ReplicaFinding[] = [];
    let underway = 0;
    for (let start = 0; start < keys.length; start += PAGE_SIZE) {
      let open = keys.slice(start, start + PAGE_SIZE);
      for (let looks = 1; open.length > 0 && looks <= LOOKS_MAX; looks++) {
        const judged = await this.#judge(open, signal);
        findings.push(...judged.findings);
        open = judged.moved;
      }
      underway += open.length;
      if (findings.length > FINDINGS_MAX) break;
    }
    return { findings, underway };
  }

  async #judge(
    keys: readonly MemoryKey[],
    signal: AbortSignal,
  ): Promise<{ findings: ReplicaFinding[]; moved: MemoryKey[] }> {
    const { primary, replica } = this.#parts;
    const before = await callSide(this.#parts, primary, signal, (sql) => readExpected(sql, keys));
    await this.#caughtUp(signal);
    const rows = await callSide(this.#parts, replica, signal, (sql) => readVersions(sql, keys));
    const after = await callSide(this.#parts, primary, signal, (sql) => readExpected(sql, keys));
    const findings: ReplicaFinding[] = [];
    const moved: MemoryKey[] = [];
    for (const key of keys) {
      const expected = after.get(keyText(key)) ?? null;
      const row = rows.get(keyText(key)) ?? null;
      const kind = differenceOf(expected, row);
      if (kind === null) continue;
      const earlier = before.get(keyText(key)) ?? null;
      const isStill = earlier?.version === expected?.version && earlier?.transactionId === expected?.transactionId;
      if (!isStill) moved.push(key);
      else {
        const versions = { primaryVersion: expected?.version ?? null, replicaVersion: row?.version ?? null };
        findings.push({ ...plainKey(key), kind, ...versions, repaired: null });
      }
    }
    return { findings, moved };
  }

  /** Waits until the replica has all that the primary shows now. */
  async #caughtUp(signal: AbortSignal): Promise<void> {
    const { primary, replica } = this.#parts;
    const newest = await callSide(this.#parts, primary, signal, readNewest);
    for (const until = performance.now() + CATCH_UP_MS; ; ) {
      const place = await callSide(this.#parts, replica, signal, readReplicaCursor);
      if (
        place !== null &&
        !(await callSide(this.#parts, primary, signal, (sql) => isBehind(sql, place.cursor, newest)))
      )
        return;
      if (performance.now() > until) {
        throw new ReplicaNotNowError(`it has not caught up within ${CATCH_UP_MS} ms: see mnemosync replica status`);
      }
      await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  /** Checks contents in the replica against their checksums, and looks for lost versions in its history: one finding a memory. */
  async #deep(signal: AbortSignal): Promise<ReplicaFinding[]> {
    const findings: ReplicaFinding[] = [];
    for (let after: KeyPosition | null = null; findings.length <= FINDINGS_MAX; ) {
      const place: KeyPosition | null = after;
      const { rows, flaws } = await callSide(this.#parts, this.#parts.replica, signal, async (sql) => {
        const page = await listVersions(sql, place, null, PAGE_SIZE);
        return { rows: page, flaws: await readFlaws(sql, page) };
      });
      const found = new Map<string, ReplicaFinding>();
      const add = (kind: Difference, { version, ...key }: MemoryKey & { version: number }): void => {
        const versions = { primaryVersion: null, replicaVersion: version };
        if (!found.has(keyText(key))) found.set(keyText(key), { ...plainKey(key), kind, ...versions, repaired: null });
      };
      for (const flaw of flaws) add("corrupt", flaw);
      for await (const versions of lostVersions(this.#parts, rows, signal))
        for (const version of versions) add("unknown", version);
      findings.push(...found.values());
      const last = rows.at(-1);
      if (last === undefined) break;
      after = { bucket: last.bucket, namespace: last.namespace, memoryId: last.memoryId };
    }
    return findings;
  }

  async #repair(findings: readonly ReplicaFinding[], signal: AbortSignal): Promise<ReplicaFinding[]> {
    const repaired: ReplicaFinding[] = [];
    for (let start = 0; start < findings.length; start += PAGE_SIZE) {
      const page = findings.slice(start, start + PAGE_SIZE);
      await this.#parts.repair(page, signal);
      const left = new Set((await this.#judge(page, signal)).findings.map(keyText));
      const flawed = await callSide(this.#parts, this.#parts.replica, signal, (sql) => readFlaws(sql, page));
      for (const flaw of flawed) left.add(keyText(flaw));
      for await (const versions of lostVersions(this.#parts, page, signal))
        for (const version of versions) left.add(keyText(version));
      repaired.push(...page.map((finding) => ({ ...finding, repaired: !left.has(keyText(finding)) })));
    }
    return repaired;
  }
}
