import type { Letter } from "../../connectors/hosted/connector-letters.ts";
import { connectorLettersDocument, connectorRunDocument } from "../../documents/connector-documents.ts";
import type { Connectors } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { counted } from "../output.ts";
import { timeText } from "../terminal.ts";
import { ranResult, untilEnded } from "./connector-waiting.ts";

interface Named {
  readonly id: string;
  /** Absent: all. */
  readonly letters?: readonly string[];
}

type LetterAction = (connectors: Connectors, named: Named, invocation: Invocation) => Promise<CommandResult>;

const ACTIONS: Readonly<Record<string, LetterAction>> = {
  list: async (connectors, { id }, { flags, signal }) => {
    const limit = (flags.limit as number | undefined) ?? 100;
    const page = await connectors.deadLetters(id, { limit, signal });
    const text = page.letters.length === 0 ? "there are no dead letters" : letterTable(page.letters);
    const rest = page.cursor !== null ? "\nthere are more: --limit" : "";
    const exitCode = page.letters.length === 0 ? EXIT.ok : EXIT.findings;
    return { exitCode, json: connectorLettersDocument(page), text: `${text}${rest}` };
  },
  replay: async (connectors, { id, letters }, invocation) => {
    const { flags, signal } = invocation;
    const dryRun = flags.dryRun === true;
    const made = await connectors.replay(id, { letters, dryRun, here: flags.here === true, signal });
    if (!dryRun && flags.wait !== true && flags.here !== true)
      return { exitCode: EXIT.ok, json: connectorRunDocument(made), text: `run ${made.id} is made` };
    return ranResult(await untilEnded(connectors, id, made.id, invocation));
  },
  drop: async (connectors, { id, letters }, { signal }) => {
    const dropped = await connectors.drop(id, { letters, signal });
    return { exitCode: EXIT.ok, json: { dropped }, text: `${counted(dropped, "dead letter")} forgotten` };
  },
};

/** `connector dead-letters list|replay|drop <id> [letter…]`; without a verb the list. */
export async function letterActions(connectors: Connectors, invocation: Invocation): Promise<CommandResult> {
  const [, verb = "", ...rest] = invocation.args;
  const isVerb = Object.hasOwn(ACTIONS, verb);
  const [id, ...letters] = isVerb ? rest : [verb, ...rest];
  if (id === undefined || id === "")
    throw new UsageError("connector dead-letters needs the id: dead-letters list|replay|drop <id> [dead letter…]");
  const act = namedAction(ACTIONS, isVerb ? verb : "list");
  return await act(connectors, { id, ...(letters.length > 0 && { letters }) }, invocation);
}

function letterTable(letters: readonly Letter[]): string {
  const heads = [
    { head: "id", whole: true },
    ...["side", "memory", "attempts", "since", "reason"].map((head) => ({ head })),
  ];
  const rows = letters.map(({ id, side, namespace, memoryId, attempts, at, code, reason }) => [
    ...[id, side, `${namespace}/${memoryId}`, String(attempts ?? ""), at === null ? "" : timeText(at)],
    `${code}: ${reason}`,
  ]);
  return columns(heads, rows);
}
