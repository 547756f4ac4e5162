import { createReadStream } from "node:fs";
import { addAbortSignal } from "node:stream";
import { erasureDocument } from "../../documents/erase-documents.ts";
import { type Erasure, type MemorySynchronizer, MnemosyncError } from "../../index.ts";
import { readJsonLines } from "../../transfer/json-lines.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count, counted } from "../output.ts";
import { unreadable } from "../unreadable.ts";

/** Ids of one erasure, at most: as many as a filter names. */
const CHUNK_SIZE = 1_000;
const LINES_MAX = 1_000_000;

interface Named {
  readonly namespace: string;
  readonly memoryIds: readonly string[];
}

/**
 * Erases the memories that a file names, a line each as `erasures --suppressed` prints them. Nothing is erased unless all of the
 * file can be read.
 * @throws {UsageError} A line names no memory.
 */
export async function eraseIds(
  sync: MemorySynchronizer,
  path: string,
  notes: { actor?: string | undefined; reason?: string | undefined },
  { flags, signal }: Invocation,
): Promise<CommandResult> {
  const chunks = await readIds(path, signal);
  const named = chunks.reduce((sum, { memoryIds }) => sum + memoryIds.length, 0);
  if (flags.dryRun === true) {
    let memories = 0;
    for (const { namespace, memoryIds } of chunks) {
      memories += (await sync.erasures.preview(targetOf(memoryIds), { namespace, signal })).memories;
    }
    const text = `${counted(named, "id")} named; ${counted(memories, "memory", "memories")} would be erased, the ids of all suppressed; nothing was changed`;
    return { exitCode: EXIT.ok, json: { dryRun: true, named, memories }, text };
  }
  const receipts: Erasure[] = [];
  for (const { namespace, memoryIds } of chunks) {
    receipts.push(await sync.erase(targetOf(memoryIds), { namespace, ...notes, signal }));
  }
  const awaiting = receipts.filter(({ state }) => state !== "complete");
  const text = [
    `${counted(named, "id")} named: ${counted(receipts.length, "erasure")}, ${count(receipts.length - awaiting.length)} complete`,
    ...awaiting.map(({ id, state }) => `erasure ${id}: ${state} (mnemosync erasures ${id})`),
  ].join("\n");
  return { exitCode: EXIT.ok, json: { erasures: receipts.map(erasureDocument) }, text };
}

function targetOf(memoryIds: readonly string[]) {
  return { where: { memoryId: { in: [...memoryIds] } } };
}

/** Each id once, by namespace, in chunks. */
async function readIds(path: string, signal: AbortSignal): Promise<Named[]> {
  const byNamespace = new Map<string, Set<string>>();
  const source = path === "-" ? process.stdin : createReadStream(path);
  let lines = 0;
  try {
    for await (const { number, content } of readJsonLines(addAbortSignal(signal, source))) {
      if ("flaw" in content) throw new UsageError(`line ${number} of ${path} is ${content.flaw}: nothing was erased`);
      if (++lines > LINES_MAX)
        throw new UsageError(`${path} has more than ${count(LINES_MAX)} lines: cut it into parts`);
      const { namespace, memoryId } = Object(content.value) as Record<string, unknown>;
      if (typeof namespace !== "string" || typeof memoryId !== "string") {
        const expected = "expected an object with namespace and memoryId, as erasures --suppressed prints them";
        throw new UsageError(`line ${number} of ${path} names no memory: ${expected}. Nothing was erased`);
      }
      const ids = byNamespace.get(namespace) ?? new Set();
      byNamespace.set(namespace, ids.add(memoryId));
    }
  } catch (error) {
    const isUnreadable = !(error instanceof MnemosyncError) && (error as NodeJS.ErrnoException).syscall !== undefined;
    throw isUnreadable ? unreadable(path, error) : error;
  }
  return [...byNamespace].flatMap(([namespace, ids]) => {
    const all = [...ids];
    const starts = Array.from({ length: Math.ceil(all.length / CHUNK_SIZE) }, (_, at) => at * CHUNK_SIZE);
    return starts.map((start) => ({ namespace, memoryIds: all.slice(start, start + CHUNK_SIZE) }));
  });
}
