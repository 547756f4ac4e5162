import type { Finding } from "../../index.ts";
import { redisDrift } from "./drift-redis.ts";
import { vectorDrift } from "./drift-vectors.ts";
import type { Injection, Take } from "./injection.ts";
import { ledgerDamage } from "./ledger-damage.ts";
import type { Past } from "./past.ts";
import type { DemoWorld } from "./world.ts";

/** Damages all three stores without the synchronizer's knowledge. */
export async function injectDrift(world: DemoWorld, past: Past, take: Take, signal: AbortSignal): Promise<Injection[]> {
  return [
    ...(await redisDrift(world, past, take)),
    ...(await vectorDrift(world, past, take, signal)),
    await ledgerDamage(world, take),
  ];
}

/** Differences between the findings of a check and the injected drift, one sentence each; empty when they agree. */
export function compareWithInjected(injections: readonly Injection[], findings: readonly Finding[]): string[] {
  const expected = new Set(
    injections.flatMap(({ store, kind, memoryIds }) => memoryIds.map((memoryId) => `${store} ${kind} ${memoryId}`)),
  );
  const found = new Set(findings.map(({ store, kind, memoryId }) => `${store} ${kind} ${memoryId}`));
  return [
    ...[...expected].filter((each) => !found.has(each)).map((each) => `injected and not found: ${each}`),
    ...[...found].filter((each) => !expected.has(each)).map((each) => `found and not injected: ${each}`),
  ];
}
