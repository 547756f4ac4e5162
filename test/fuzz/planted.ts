import type { Answer } from "./document.ts";
import { plantedMemories, secretOf, TENANTS } from "./tenants.ts";

/** Asks the service as its operator. */
export type AsAdmin = (method: string, path: string, body?: object) => Promise<Answer>;

/** Writes each tenant's memories with its secret. @returns the transaction of one memory of each tenant. */
export async function plant(ask: AsAdmin, seed: number): Promise<string[]> {
  const transactions: string[] = [];
  for (const tenant of TENANTS) {
    const memories = plantedMemories(tenant, seed);
    const answer = await ask("POST", `/v1/namespaces/${tenant}/batch`, { memories });
    const { outcomes } = JSON.parse(answer.body) as { outcomes: { status: string; transactionId: string }[] };
    if (outcomes.some(({ status }) => status !== "synced")) throw new Error(`planting failed: ${answer.body}`);
    const own = await ask("PUT", `/v1/namespaces/${tenant}/memories/m1`, {
      content: secretOf(tenant, seed),
      memoryType: "episodic",
    });
    transactions.push((JSON.parse(own.body) as { transactionId: string }).transactionId);
  }
  return transactions;
}

/** The planted memories as they stand, by path; without the stores that answered, which differ from read to read. */
export async function plantedNow(ask: AsAdmin, seed: number): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const tenant of TENANTS) {
    for (let number = 0; number < plantedMemories(tenant, seed).length; number++) {
      const path = `/v1/namespaces/${tenant}/memories/${secretOf(tenant, seed)}-${number}`;
      const { status, body } = await ask("GET", `${path}?embedding=true`);
      found[path] = status === 200 ? body.replace(/"source":"\w+"|"sources":\{[^}]*\}/g, "") : String(status);
    }
  }
  return found;
}
