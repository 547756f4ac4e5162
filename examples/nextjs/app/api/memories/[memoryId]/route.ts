/**
 * `GET` and `PUT /api/memories/{memoryId}`. For the Node.js runtime: the edge runtime has no processes and no files.
 * In `next.config.js`: `serverExternalPackages: ["mnemosync"]`, since a bundle cannot hold the index's program.
 */
import { type MemoryFields, MnemosyncError } from "mnemosync";
import { memory } from "../../../../lib/memory.ts";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

interface Context {
  readonly params: Promise<{ readonly memoryId: string }>;
}

export async function GET(_request: Request, { params }: Context): Promise<Response> {
  const { memoryId } = await params;
  const found = await (await memory()).get(memoryId);
  if (found === null) return Response.json({ error: "NOT_FOUND" }, { status: 404 });
  const { content, version } = found;
  return Response.json({ memoryId, content, version });
}

export async function PUT(request: Request, { params }: Context): Promise<Response> {
  const { memoryId } = await params;
  try {
    const fields = (await request.json()) as MemoryFields; // checked by syncMemory, field by field
    const outcome = await (await memory()).syncMemory(memoryId, fields);
    return Response.json({ memoryId, version: outcome.version, status: outcome.status });
  } catch (error) {
    if (!(error instanceof MnemosyncError)) throw error;
    return Response.json({ error: error.code, message: error.message }, { status: error.retryable ? 503 : 422 });
  }
}
