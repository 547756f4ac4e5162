import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { z } from "zod";
import { type ExportRecord, exportLine, type Log } from "../../index.ts";
import { type Route, route } from "../route.ts";
import { flag, namespaceParam } from "../schemas.ts";

const exportMemories = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/export",
  operationId: "exportMemories",
  summary:
    "All memories of a namespace with their versions, vectors and embeddings, one record a line, for an import to read. " +
    "Memories that are local_only are left out: they do not leave the machine. A stream that was cut short has no last " +
    "line that says so: go on behind its last whole record",
  tag: "memories",
  access: { scope: "read" },
  params: namespaceParam,
  query: z.object({
    history: flag.describe("With the versions that were replaced and are still kept"),
    afterMemoryId: z.string().min(1).optional().describe("Go on behind this memory's record; with afterVersion"),
    afterVersion: z.coerce.number().int().positive().optional().describe("The version of that record"),
  }),
  responses: {
    200: { description: "The export, as it is read", schema: z.string(), mediaType: "application/x-ndjson" },
  },
  async handle({ params: { namespace }, query, signal }, { sync, log }) {
    const { history, afterMemoryId, afterVersion } = query;
    const after =
      afterMemoryId === undefined || afterVersion === undefined
        ? undefined
        : { namespace, memoryId: afterMemoryId, version: afterVersion };
    const records = sync.exportMemories({ namespace, history, ...(after && { after }), signal });
    // The first one before the answer begins: a store that is away is an error with a status then.
    const first = await records.next();
    return {
      status: 200,
      headers: { "content-type": "application/x-ndjson" },
      stream: (response) => void send(response, first, records, log, signal),
    };
  },
});

/** Writes records at the pace of whoever reads them. What fails on the way ends the connection, not the answer. */
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
    // Whoever hung up knows why it is not whole; everybody else sees it by the missing end.
    if (!signal.aborted) log.warn({ error: (error as Error).message }, "http.export_cut_short");
    response.destroy();
  } finally {
    await records.return();
  }
}

export const exportRoutes: readonly Route[] = [exportMemories];
