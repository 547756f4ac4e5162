import { resultsDocument, resultsSchema } from "../../documents/memory-documents.ts";
import { fitsMode, MODE_RULE, queryOf, searchFields, searchOptions } from "../../documents/search-request.ts";
import { ToldSources } from "../told-sources.ts";
import { tool } from "../tool.ts";

export const recall = tool({
  name: "recall",
  title: "Recall",
  description:
    "Finds the memories that fit a text best, by meaning (mode vector), by words (text) or by both (hybrid). Narrow it with " +
    'filter, e.g. {"memoryType":"episodic"}, or with where, e.g. {"importance":{"gte":0.5}}.',
  right: "read",
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  fields: searchFields,
  rule: { holds: fitsMode, text: MODE_RULE },
  output: resultsSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const told = new ToldSources();
    const results = await sync.search(queryOf(args), {
      namespace,
      ...searchOptions(args),
      signal,
      onBytes: caller.onBytes,
      onSources: told.tell,
    });
    return resultsDocument(results, args.embedding, told.sources);
  },
});
