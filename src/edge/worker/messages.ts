import { ErasedError, MnemosyncError, NotFoundError, ValidationError } from "../../domain/errors.ts";
import { EdgeFileError, type EdgeFileProblem, SyncConflictError, SyncPayloadError } from "../errors.ts";
import type { EdgeFileOptions } from "../file/edge-file.ts";
import type { Rescue } from "../file/rescue.ts";
import type { SqlDriverName } from "../sqlite/database.ts";
import type { FileCall } from "./file-port.ts";
import type { HubAddress, HubWork } from "./hub-messages.ts";

/** What the worker is started with. */
export interface WorkerStart {
  readonly driver: SqlDriverName;
  readonly options: Omit<EdgeFileOptions, "random">;
  readonly nowMs: number;
  /** Null: the hub is called from another thread, or not at all. */
  readonly hub: HubAddress | null;
}

export interface FileWork {
  readonly id: number;
  readonly name: FileCall | "close" | "abandon";
  readonly args: readonly unknown[];
}

/** The caller of a hub's call has given up. */
export interface EndOfHubWork {
  readonly ended: number;
}

export type WorkerCall = FileWork | HubWork | EndOfHubWork;

/** Answer 0 tells of the opening. */
export type WorkerAnswer =
  | { readonly id: 0; readonly result: { readonly rescue: Rescue | null } }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireError };

/** An error on its way between threads, which keeps neither class nor code. */
export interface WireError {
  readonly code: string | null;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function wireError(error: unknown): WireError {
  if (!(error instanceof Error)) return { code: null, message: String(error), fields: {} };
  const code = error instanceof MnemosyncError ? error.code : null;
  return { code, message: error.message, stack: error.stack, fields: { ...error } };
}

export function errorOfWire({ code, message, stack, fields }: WireError): Error {
  const error = made(code, message, fields);
  if (stack !== undefined) error.stack = `${stack}\n    (in the edge's worker)`;
  return error;
}

function made(code: string | null, message: string, fields: Readonly<Record<string, unknown>>): Error {
  switch (code) {
    case "EDGE_FILE":
      return new EdgeFileError(fields.problem as EdgeFileProblem, message);
    case "ERASED":
      return new ErasedError(String(fields.namespace), String(fields.memoryId));
    case "VALIDATION": {
      const path = String(fields.path ?? "");
      return new ValidationError(path, path === "" ? message : message.slice(path.length + 2));
    }
    case "NOT_FOUND":
      return new NotFoundError(message);
    case "SYNC_CONFLICT":
      return new SyncConflictError(message);
    case "SYNC_PAYLOAD":
      return new SyncPayloadError(message);
    default:
      return new Error(message);
  }
}
