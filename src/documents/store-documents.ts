import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import type { DeployedStore } from "../ledger/deployment-statements.ts";
import { count, instant, storeId } from "./fields.ts";

/** The shared stores of the deployment, as HTTP and `--json` show them. */

export const deployedStoreSchema = lazily(() =>
  z
    .strictObject({
      id: storeId(),
      holds: z.array(z.enum(["documents", "vectors"])),
      registeredAt: instant(),
      filledAt: instant().nullable().describe("Null: it is being filled since it was registered"),
      queued: count().describe("Memories in its backlog, dead letters among them"),
      nodes: z
        .array(z.string())
        .describe("Nodes whose background work runs it now; while there is one it cannot be forgotten"),
    })
    .meta({ id: "DeployedStore" }),
);

export const deployedStoresSchema = lazily(() =>
  z.strictObject({ stores: z.array(deployedStoreSchema()) }).meta({ id: "DeployedStores" }),
);

export const forgottenStoreSchema = lazily(() =>
  z.strictObject({ forgotten: deployedStoreSchema() }).meta({ id: "ForgottenStore" }),
);

export function deployedStoreDocument(store: DeployedStore): z.output<ReturnType<typeof deployedStoreSchema>> {
  return { ...store, holds: [...store.holds], nodes: [...store.nodes] };
}
