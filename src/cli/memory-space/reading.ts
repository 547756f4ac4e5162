import { SPANS, windowOf } from "../../connectors/memory-space/view.ts";
import { spaceRunDocument } from "../../documents/memory-space-documents.ts";
import type { Filter } from "../../domain/filter/filter.ts";
import { columns } from "../columns.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count } from "../output.ts";
import { timeText } from "../terminal.ts";
import type { SpaceDefinition } from "./definition.ts";
import type { SpaceHome, SpaceMemory } from "./home.ts";
import { idOf, spaceOf } from "./spaces.ts";
import { withHome } from "./with-home.ts";

const PAGE = 100;
/** Lines of one page of `list`, and of `log`, at most. */
const PAGE_MAX = 1_000;
const LOG_LINES = 20;
/** Memories that `view` shows, at most. */
const VIEW_MAX = 10_000;
/** Characters of their contents together, after which `view` stops. */
const VIEW_LENGTH_MAX = 67_108_864;

/** The memories that came from a Memory Space, or those of its items that it has no more. */
export async function list(invocation: Invocation): Promise<CommandResult> {
  const { flags, signal } = invocation;
  const limit = limitOf(invocation, PAGE, PAGE_MAX);
  const cursor = typeof flags.cursor === "string" ? flags.cursor : undefined;
  return await withHome(invocation, false, async (home) => {
    const space = await spaceOf(home, invocation);
    if (flags.deleted === true) return await deleted(home, invocation, limit, cursor ?? "");
    const query = { namespace: space.to.namespace, where: fromSpace(space), limit, cursor, signal };
    const page = await home.page(query);
    const text = page.memories.length === 0 ? "no memories" : table(page.memories);
    const more = page.cursor === null ? [] : [`more: --cursor ${page.cursor}`];
    const json = { memories: page.memories.map(shown), cursor: page.cursor };
    return { exitCode: EXIT.ok, json, text: [text, ...more].join("\n\n") };
  });
}

async function deleted(home: SpaceHome, invocation: Invocation, limit: number, after: string): Promise<CommandResult> {
  const state = await home.state(idOf(invocation));
  try {
    const items = await state.inState("deleted", after, limit);
    const cursor = items.length === limit ? (items.at(-1)?.id ?? null) : null;
    const rows = items.map(({ id, memoryId }) => [memoryId, id]);
    const text =
      items.length === 0
        ? "no item was deleted at the service"
        : columns([{ head: "memory", whole: true }, { head: "item" }], rows);
    const hint = items.length === 0 ? [] : ["mnemosync history <memory> has what they said, at the hub"];
    const more = cursor === null ? [] : [`more: --cursor ${cursor}`];
    const json = { deleted: items.map(({ id, memoryId }) => ({ itemId: id, memoryId })), cursor };
    return { exitCode: EXIT.ok, json, text: [text, ...hint, ...more].join("\n\n") };
  } finally {
    await state.close();
  }
}

/** Memories by their time at the service, of a day, a week or a month of the reader's calendar. */
export async function view(invocation: Invocation): Promise<CommandResult> {
  const { flags, signal } = invocation;
  const spans = SPANS.filter((span) => flags[span] === true);
  const [span = "today"] = spans;
  if (spans.length > 1) throw new UsageError(`give one of ${SPANS.map((each) => `--${each}`).join(", ")}`);
  const { from, to } = windowOf(span, new Date());
  const [start, end] = [iso(from), iso(to)];
  const limit = limitOf(invocation, VIEW_MAX, VIEW_MAX);
  const found = await withHome(invocation, false, async (home) => {
    const space = await spaceOf(home, invocation);
    const where = { ...fromSpace(space), "metadata.createdAt": { gte: start, lte: end } };
    const memories: SpaceMemory[] = [];
    let length = 0;
    for (let cursor: string | undefined; ; ) {
      const page = await home.page({ namespace: space.to.namespace, where, limit: PAGE, cursor, signal });
      memories.push(...page.memories);
      length += page.memories.reduce((sum, { content }) => sum + content.length, 0);
      if (page.cursor === null) return { memories, more: memories.length > limit };
      if (memories.length >= limit || length > VIEW_LENGTH_MAX) return { memories, more: true };
      cursor = page.cursor;
    }
  });
  const memories = found.memories.sort((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1)).slice(0, limit);
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const text = memories.length === 0 ? `no memories of ${nameOf(span)} (${timeZone})` : table(memories);
  const rest = found.more
    ? [`there may be more than these ${memories.length}, which are not the first of the span: give a shorter one`]
    : [];
  return {
    exitCode: EXIT.ok,
    json: { from: start, to: end, timeZone, memories: memories.map(shown), more: found.more },
    text: [text, ...rest].join("\n\n"),
  };
}

/** The operation log: each run with its time, what was available, what was synced, and how it ended. */
export async function log(invocation: Invocation): Promise<CommandResult> {
  return await withHome(invocation, false, async (home) => {
    await spaceOf(home, invocation);
    const state = await home.state(idOf(invocation));
    try {
      const runs = (await state.runs(limitOf(invocation, LOG_LINES, PAGE_MAX))).map(spaceRunDocument);
      const heads = [
        ...[{ head: "time" }, { head: "scope" }],
        ...["available", "synced", "failed"].map((head) => ({ head, align: "right" as const })),
        ...[{ head: "status" }, { head: "error" }],
      ];
      const rows = runs.map(({ time, scope, available, synced, counts, status, error }) => [
        ...[timeText(Date.parse(time)), scope],
        ...[available, synced, counts.failed ?? 0].map(count),
        ...[status, error === null ? "" : `${error.code}: ${error.message}`],
      ]);
      return { exitCode: EXIT.ok, json: { runs }, text: runs.length === 0 ? "no runs yet" : columns(heads, rows) };
    } finally {
      await state.close();
    }
  });
}

function fromSpace({ from }: SpaceDefinition): Filter {
  return {
    "metadata.source.service": { eq: "memory-space" },
    "metadata.source.context": { eq: from.context },
  };
}

function limitOf({ flags }: Invocation, otherwise: number, most: number): number {
  const limit = typeof flags.limit === "number" ? flags.limit : otherwise;
  if (Number.isInteger(limit) && limit >= 1 && limit <= most) return limit;
  throw new UsageError(`--limit ${limit}: expected a whole number from 1 to ${most}`);
}

function shown({ memoryId, version, content, metadata }: SpaceMemory): object {
  return { memoryId, version, content, metadata };
}

function table(memories: readonly SpaceMemory[]): string {
  const heads = [{ head: "memory", whole: true }, { head: "created" }, { head: "tags" }, { head: "content" }];
  const rows = memories.map((memory) => {
    const { tags } = memory.metadata;
    const time = Date.parse(createdAt(memory));
    return [
      memory.memoryId,
      Number.isNaN(time) ? "" : timeText(time),
      Array.isArray(tags) ? tags.join(", ") : "",
      memory.content,
    ];
  });
  return columns(heads, rows);
}

function createdAt({ metadata }: SpaceMemory): string {
  return typeof metadata.createdAt === "string" ? metadata.createdAt : "";
}

function nameOf(span: (typeof SPANS)[number]): string {
  return span === "today" ? span : `this ${span}`;
}

function iso(time: number | null): string {
  return new Date(time ?? 0).toISOString();
}
