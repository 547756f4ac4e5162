import { createKey } from "../../src/http/keys.ts";
import type { KeyEntry } from "../../src/http/keys-file.ts";
import { Random } from "../support/random.ts";
import { vector } from "./generate.ts";

/** Three tenants with secrets, their keys, and keys of all namespaces that stay away from the tenants. */

export const TENANTS = ["tenant-a", "tenant-b", "tenant-c"] as const;
export type Tenant = (typeof TENANTS)[number];

/** Numbers per vector. */
export const DIMENSION = 8;

/** Memories of each tenant that carry its secret. */
const PLANTED = 8;

export interface Caller {
  readonly name: string;
  readonly key: string | null;
  /** Null: no tenant; its requests name other namespaces. */
  readonly tenant: Tenant | null;
}

/** The text that only this tenant's data contains. */
export function secretOf(tenant: Tenant, seed: number): string {
  return `secret-${seed.toString(36)}-${tenant.at(-1)?.repeat(12)}`;
}

export function makeCallers(): { callers: Caller[]; entries: KeyEntry[] } {
  const entries: KeyEntry[] = [];
  const make = (id: string, scope: KeyEntry["scope"], namespaces: KeyEntry["namespaces"]): string => {
    const made = createKey({ id, scope, namespaces });
    entries.push(made.entry);
    return made.key;
  };
  const callers: Caller[] = TENANTS.flatMap((tenant) => [
    { name: `${tenant}-writer`, key: make(`${tenant}-writer`, "write", [tenant]), tenant },
    { name: `${tenant}-admin`, key: make(`${tenant}-admin`, "admin", [tenant]), tenant },
  ]);
  const other: Caller[] = [
    { name: "admin", key: make("admin", "admin", "*"), tenant: null },
    { name: "reader", key: make("reader", "read", "*"), tenant: null },
    { name: "unknown", key: `mns_nobody_${"A".repeat(43)}`, tenant: null },
    { name: "none", key: null, tenant: null },
  ];
  return { callers: [...callers, ...other], entries };
}

/** What is planted for each tenant: the secret stands in ids, contents, types and metadata. */
export function plantedMemories(tenant: Tenant, seed: number): object[] {
  const random = new Random(seed);
  const secret = secretOf(tenant, seed);
  return Array.from({ length: PLANTED }, (_, number) => ({
    memoryId: `${secret}-${number}`,
    content: `${secret} is what ${tenant} told`,
    memoryType: secret.slice(0, 100),
    metadata: { [secret]: { of: secret } },
    embedding: vector(random, DIMENSION),
  }));
}
