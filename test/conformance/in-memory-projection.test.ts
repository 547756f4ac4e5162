import { InMemoryProjection } from "../support/in-memory-projection.ts";
import { describeProjection } from "./projection.ts";

for (const store of ["redis", "faiss"] as const) {
  describeProjection(`in memory, in the place of ${store}`, async () => {
    const projection = new InMemoryProjection(store);
    return {
      projection,
      clear: async () => projection.entries.clear(),
      close: async () => undefined,
    };
  });
}
