import { EdgeFile, type EdgeFileOptions } from "../file/edge-file.ts";
import type { Rescue } from "../file/rescue.ts";
import type { SqlDriverName } from "../sqlite/database.ts";
import { loadDriver } from "../sqlite/drivers.ts";
import type { CallHub } from "./hub-messages.ts";
import { Resting } from "./resting.ts";

/** Methods of the file that are called from another thread. */
type FileCalls = Omit<EdgeFile, "rescue" | "close" | "abandon" | "readPage" | "idle" | "together">;
export type FileCall = keyof FileCalls;

/** The file as the rest of the edge sees it: each call is answered in the order of the calls. */
export type FilePort = {
  [Name in FileCall]: (...args: Parameters<FileCalls[Name]>) => Promise<Awaited<ReturnType<FileCalls[Name]>>>;
} & {
  readonly rescue: Rescue | null;
  /** Calls the hub from the thread of the file; null: it is called from this one. */
  readonly callHub: CallHub | null;
  close(): Promise<void>;
  abandon(): Promise<void>;
};

export const FILE_CALLS: readonly FileCall[] = [
  "put",
  "patch",
  "delete",
  "get",
  "list",
  "searchText",
  "searchVector",
  "state",
  "setPaused",
  "setContact",
  "contact",
  "takeLease",
  "viewLease",
  "releaseLease",
  "requestSync",
  "requestedSync",
  "serveSync",
  "servedSync",
  "dataVersion",
  "meetHub",
  "beginResync",
  "freezeBatch",
  "recordAnswers",
  "failAlone",
  "applyPage",
  "retry",
  "status",
  "queue",
  "conflicts",
  "resolve",
  "connectors",
  "check",
];

/** The file in this thread: for tests and simulations, whose steps must come in one order. */
export function openInProcess(
  driver: SqlDriverName,
  options: EdgeFileOptions,
  nowMs: number,
  rests: boolean,
): FilePort {
  const file = new EdgeFile(loadDriver(driver), options, nowMs);
  // Its timer goes by the real clock: no simulation would know between which of its steps the file is written to.
  const resting = rests ? new Resting(file) : null;
  const calls = FILE_CALLS.map((name) => [
    name,
    async (...args: unknown[]) => {
      resting?.disturb();
      return (file[name] as (...args: unknown[]) => unknown).apply(file, args);
    },
  ]);
  return {
    ...Object.fromEntries(calls),
    rescue: file.rescue,
    callHub: null,
    close: async () => {
      resting?.end();
      file.close();
    },
    abandon: async () => {
      resting?.end();
      file.abandon();
    },
  } as FilePort;
}
