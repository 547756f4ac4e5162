import { copiesDocument } from "../../documents/copy-documents.ts";
import { type MemoryCopies, type MemoryCopy, NotFoundError } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { printable } from "../output.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";
import { addNamespaceFlag, inNamespace } from "./namespace.ts";

export const copiesCommand: CliCommand = {
  configure(command) {
    addNamespaceFlag(command);
    command.option("--no-index", "leave the vector index to the service that has it open");
  },
  async run(invocation) {
    const [id = ""] = invocation.args;
    const call = { ...inNamespace(invocation), signal: invocation.signal };
    const adapt = invocation.flags.index === false ? withoutIndex : undefined;
    const found = await withSynchronizer(invocation, (sync) => sync.copies(id, call), adapt);
    if (found.copies.every(({ state }) => state === "nothing")) {
      throw new NotFoundError(`no store holds anything of ${JSON.stringify(id)}`);
    }
    return {
      exitCode: exitCodeOf(found),
      json: copiesDocument(found, { withEmbedding: true, isOperator: true }),
      text: text(found),
    };
  },
};

/** As `check` has it: what a store that gave no answer holds is not known. */
function exitCodeOf({ copies }: MemoryCopies): ExitCode {
  if (copies.some(({ state }) => state === "unanswered")) return EXIT.failed;
  return copies.some(({ drift }) => drift !== null) ? EXIT.findings : EXIT.ok;
}

function text({ namespace, memoryId, copies }: MemoryCopies): string {
  const heads = ["store", "state", "version", "modified", "checksum", "vector", "differs"].map((head) => ({ head }));
  const rows = copies.map((copy) => [
    copy.store,
    copy.state,
    copy.version === null ? "-" : String(copy.version),
    copy.modifiedAt === null ? "-" : timeText(copy.modifiedAt),
    copy.checksum?.slice(0, 12) ?? "-",
    copy.embedding === null ? "-" : `${copy.embedding.length} numbers`,
    differsText(copy),
  ]);
  const parts = [`${printable(`${namespace}/${memoryId}`)}\n\n${columns(heads, rows)}`, ...copies.flatMap(partsOf)];
  if (copies.some(({ drift }) => drift !== null))
    parts.push("a write on its way looks the same; mnemosync check proves it");
  return parts.join("\n\n");
}

function differsText({ state, drift }: MemoryCopy): string {
  if (state === "unanswered") return "not known";
  return drift === null ? "no" : `${drift.kind}: ${drift.evidence}`;
}

function partsOf({ store, note, error, differences }: MemoryCopy): string[] {
  const said = error === null ? note : `it gave no answer: ${error.message}`;
  const fields = differences?.fields ?? [];
  const parts = said === null ? [] : [`${store}: ${printable(said)}`];
  if (fields.length === 0) return parts;
  const heads = ["field", "ledger", store].map((head) => ({ head }));
  const rows = fields.map(({ path, left, right }) => [path, shown(left), shown(right)]);
  return [...parts, columns(heads, rows, { overflow: "wrap" })];
}

function shown(value: unknown): string {
  return value === undefined ? "-" : JSON.stringify(value);
}
