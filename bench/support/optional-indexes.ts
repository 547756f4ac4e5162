import type { Scenario } from "../harness/scenario.ts";
import { indexCost } from "./index-cost.ts";

/** Question: what does each optional index cost those who write? Beside the others, since it would not fit into their time. */
export const optionalIndexes: Scenario = {
  name: "optional-indexes",
  run: async (context) => [
    await indexCost(context, {
      title: "What the optional indexes cost a write",
      rewrites: true,
      ledgers: [
        { name: "none", indexes: {} },
        { name: "text", indexes: { text: "english" } },
        { name: "fields", indexes: { fields: true } },
        { name: "order createdAt", indexes: { orders: ["createdAt"] } },
        { name: "order modifiedAt", indexes: { orders: ["modifiedAt"] } },
        { name: "order importance", indexes: { orders: ["importance"] } },
      ],
    }),
  ],
};
