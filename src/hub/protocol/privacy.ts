import type { Ending } from "../../domain/ending.ts";
import type { MemoryDocument, Privacy } from "../../domain/memory.ts";
import type { RejectedCode } from "./codes.ts";
import type { PushChange } from "./push.ts";
import { encodeVector, type WireMemory, type WirePrivacy, type WireVector } from "./wire-memory.ts";

/**
 * Privacy between an edge and its hub, as pure functions. The rules:
 *
 * - `local_only` never leaves the edge. `redacted` leaves without content, metadata and embedding.
 * - Raising the privacy of what was sent is a withdrawal. It wins over every edit.
 * - Withheld fields are never written by a side that does not have them.
 * - Only the device that holds the whole memory lowers its privacy.
 */

/** What the hub was sent of a memory last, and has not been told to forget. */
export type SentPrivacy = "nothing" | WirePrivacy;

const LEAVING: Readonly<Record<SentPrivacy, Readonly<Record<Privacy, readonly ("put" | "withdraw")[]>>>> = {
  nothing: { full: ["put"], redacted: ["put"], local_only: [] },
  full: { full: ["put"], redacted: ["withdraw", "put"], local_only: ["withdraw"] },
  redacted: { full: ["put"], redacted: ["put"], local_only: ["withdraw"] },
};

/**
 * The operations by which an edit leaves the edge, in order, each a change of its own.
 * @param sent a change that may have been sent counts as sent, whether it was answered or not.
 */
export function leavingOperations(sent: SentPrivacy, now: Privacy): readonly ("put" | "withdraw")[] {
  return LEAVING[sent][now];
}

/** The parts of a memory that leave the edge; null: none. */
export function leavingMemory(document: MemoryDocument, embedding: WireVector | null): WireMemory | null {
  const { privacy, content, metadata, memoryType, importance, embeddingModel, expiresAt } = document;
  const times = expiresAt === undefined ? {} : { expiresAt };
  if (privacy === "local_only") return null;
  if (privacy === "redacted") return { privacy, memoryType, importance, ...times };
  const model = embeddingModel === undefined ? {} : { embeddingModel };
  const vector = embedding === null ? null : encodeVector(embedding);
  return { privacy, content, memoryType, importance, metadata, embedding: vector, ...model, ...times };
}

/** A memory as it stands at the hub, as far as privacy is concerned. */
export interface FoundPrivacy {
  /** Null: it has ended. */
  readonly privacy: Privacy | null;
  /** Null: it is live. */
  readonly endedBy: Ending | null;
  /** The device that holds the content which the hub does not have; null: there is none. */
  readonly holder: string | null;
}

/**
 * Why a device's change must not be applied to a memory, whatever versions say; null: privacy does not forbid it.
 * @param found null: the hub does not know the memory.
 */
export function privacyRefusal(
  change: Pick<PushChange, "op"> & { readonly memory?: { readonly privacy: WirePrivacy } },
  found: FoundPrivacy | null,
  device: string,
): { readonly code: RejectedCode; readonly message: string } | null {
  if (found === null) return null;
  if (found.endedBy === "erased") {
    return { code: "ERASED", message: "the memory was erased: remove all that is kept of it" };
  }
  const isHolder = found.holder === device;
  if (change.op === "withdraw") {
    const isWithheld = found.privacy === "redacted" || found.privacy === "local_only";
    if (!isWithheld || isHolder) return null;
    const message =
      "the content of the memory is withheld from this device: only the device that holds it withdraws it";
    return { code: "SYNC_PAYLOAD", message };
  }
  const isPrivate = found.privacy === "local_only" || found.endedBy === "withdrawn";
  if (isPrivate && !isHolder) {
    return { code: "WITHDRAWN", message: "the memory was withdrawn by its origin, and this device is not its origin" };
  }
  if (change.op === "delete" || found.privacy === null) return null;
  const given = change.memory?.privacy ?? "full";
  if (found.privacy === "redacted" && given === "full" && !isHolder) {
    const message = "the memory is redacted, and only the device that holds its content lowers its privacy";
    return { code: "SYNC_PAYLOAD", message };
  }
  if (found.privacy === "full" && given === "redacted") {
    const message = "the memory is at the hub in full: withdraw it first, and put the redacted form behind that";
    return { code: "SYNC_PAYLOAD", message };
  }
  return null;
}

/** The device that holds what the hub does not have, once a change is applied. */
export function holderAfter(
  change: Pick<PushChange, "op"> & { readonly memory?: { readonly privacy: WirePrivacy } },
  found: FoundPrivacy | null,
  device: string,
): string | null {
  if (change.op === "withdraw") return device;
  if (change.op === "delete" || change.memory?.privacy === "full") return null;
  return found === null || found.privacy === null ? device : found.holder;
}

/**
 * What an edge makes of a redacted memory that it is told of. `keep`: the fields that are told change, and the withheld ones
 * stay as the edge has them. `drop`: the withheld ones go.
 */
export function onRedacted(change: { readonly holder: boolean }): "keep" | "drop" {
  return change.holder ? "keep" : "drop";
}
