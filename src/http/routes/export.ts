import { once } from "node:events";
import type { ServerResponse } from "node:http";
import * as z from "zod";
import { VERSION_MAX } from "../../domain/version-vector.ts";
import { type ExportRecord, exportLine, type Log } from "../../index.ts";
import { count, flag, memoryIdText, namespaceParam, where } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";

const exportMemories = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/export",
  operationId: "exportMemories",
  summary:
    "All memories of a namespace with their versions, version vectors and embeddings, one record per line, for an import. " +
    "Memories that are local_only are left out: they do not leave the machine. A stream that was cut short has no end " +
    "record: continue after its last whole record",
  access: { scope: "read" },
  params: namespaceParam,
  query: () =>
    z
      .object({
        where: where(),
        history: flag().describe("Include the replaced versions that the ledger still keeps"),
        afterMemoryId: memoryIdText().optional().describe("Continue after this memory's record; needs afterVersion"),
        afterVersion: count(1, VERSION_MAX).optional().describe("The version of that record; needs afterMemoryId"),
      })
      .refine(
        ({ afterMemoryId, afterVersion }) => (afterMemoryId === undefined) === (afterVersion === undefined),
        "give both afterMemoryId and afterVersion, or neither: without both the export would begin anew",
      ),
  responses: {
    200: {
      description: "The export, as the ledger is read. It counts as an open stream of the key",
      schema: () => z.string(),
      mediaType: "application/x-ndjson",
    },
  },
  async handle(request, { sync, log, streams }) {
    const { params, query, signal } = request;
    const { namespace } = params;
    const { where: wanted, history, afterMemoryId, afterVersion } = query;
    const after =
      afterMemoryId === undefined || afterVersion === undefined
        ? undefined
        : { namespace, memoryId: afterMemoryId, version: afterVersion };
    // Before the place is taken: a filter that is refused here would keep it for ever.
    const records = sync.exportMemories({ namespace, where: wanted, history, ...(after && { after }), signal });
    const place = streams.take(request); // It holds a page for as long as its reader takes.
    // Read the first record before the answer begins, so that an unavailable store is an error with a status.
    const first = await records.next().catch((error: unknown) => {
      place.release();
      throw error;
    });
    return {
      status: 200,
      headers: { "content-type": "application/x-ndjson" },
      stream: (response) => void send(response, first, records, log, signal).finally(place.release),
    };
  },
});

/** Writes records at the reader's pace. A failure on the way ends the connection, so that the reader sees no regular end. */
async function send(
  response: ServerResponse,
  first: IteratorResult<ExportRecord, void>,
  records: AsyncGenerator<ExportRecord, void>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (let next = first; !next.done; next = await records.next()) {
      if (!response.write(exportLine(next.value))) await once(response, "drain", { signal });
    }
    response.end();
  } catch (error) {
    // A caller that hung up knows why the export is incomplete; any other caller sees that the end record is missing.
    if (!signal.aborted) log.warn({ error: (error as Error).message }, "http.export_cut_short");
    response.destroy();
  } finally {
    await records.return();
  }
}

export const exportGroup: RouteGroup = {
  tag: "memories",
  routes: [exportMemories],
};
