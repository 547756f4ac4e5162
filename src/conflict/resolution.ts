import { ValidationError } from "../domain/errors.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { Conflict, Resolution } from "./strategy.ts";

/** Characters of a note that are kept: it is for people, and stored with every resolution. */
export const NOTE_CHARACTERS_MAX = 1_000;

const ACTIONS = ["choose", "write", "remove", "pending"] as const;

/** Required fields of a document. The schema would default some of them, and so hide that the strategy forgot one. */
const DOCUMENT_FIELDS = ["content", "memoryType", "importance", "metadata", "privacy"] as const;

/**
 * Parses a strategy's answer into a resolution of `conflict`, as a copy that the strategy cannot change afterwards.
 * @throws {ValidationError} It is no resolution: the message has the value found, and what was expected.
 */
export function checkResolution(answer: unknown, conflict: Conflict, validator: MemoryValidator): Resolution {
  if (typeof answer !== "object" || answer === null) {
    throw new ValidationError("", `answered ${describe(answer)}; expected a resolution, e.g. { action: "pending" }`);
  }
  const { action, note, store, document, embedding } = answer as Record<string, unknown>;
  if (note !== undefined && typeof note !== "string") {
    throw new ValidationError("note", `is ${describe(note)}, and must be a text, or absent`);
  }
  const noted = note === undefined ? {} : { note: storableNote(note) };
  switch (action) {
    case "pending":
      return { action, ...noted };
    case "remove":
      if (conflict.kind === "orphan") return { action, ...noted };
      throw new ValidationError(
        "action",
        `is "remove", which is for a memory that the ledger does not know, and this one is ${conflict.kind}: ` +
          "choose a side that deleted it, or delete the memory",
      );
    case "choose": {
      const chosen = conflict.candidates.find((candidate) => candidate.store === store);
      if (chosen !== undefined) return { action, store: chosen.store, ...noted };
      const stores = conflict.candidates.map((candidate) => candidate.store).join(", ");
      throw new ValidationError("store", `is ${describe(store)}, and the candidates are of ${stores}`);
    }
    case "write":
      return { action, ...checkContent(document, embedding, conflict, validator), ...noted };
    default:
      throw new ValidationError("action", `is ${describe(action)}; expected one of ${ACTIONS.join(", ")}`);
  }
}

/** Text that every store can keep, cut to its bound. */
export function storableNote(text: string): string {
  const storable = text.slice(0, NOTE_CHARACTERS_MAX).toWellFormed().replaceAll("\u0000", "\ufffd");
  return text.length > NOTE_CHARACTERS_MAX ? `${storable}…` : storable;
}

function checkContent(document: unknown, embedding: unknown, conflict: Conflict, validator: MemoryValidator) {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ValidationError("document", `is ${describe(document)}, and must be an object`);
  }
  for (const field of DOCUMENT_FIELDS) {
    if ((document as Record<string, unknown>)[field] === undefined) {
      throw new ValidationError(`document.${field}`, "is missing: spread a candidate's document to keep its fields");
    }
  }
  if (embedding === undefined)
    throw new ValidationError("embedding", "is missing: give a Float32Array, or null for none");
  const { namespace, memoryId } = conflict;
  const content = validator.validate({ ...document, namespace, memoryId, embedding });
  return { document: content.document, embedding: content.embedding };
}

/** A value for a message, cut short. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  return Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}
