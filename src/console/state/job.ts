import { useState } from "preact/hooks";
import type { ApiError } from "../api/api-error.ts";
import { pathOf } from "../api/client.ts";
import type { Job } from "../api/documents.ts";
import type { StreamEvent } from "../api/event-stream.ts";
import { useEvents } from "./events.ts";
import { useResource } from "./resource.ts";

export interface WatchedJob {
  /** As it is now; undefined until it was read. */
  readonly job: Job | undefined;
  readonly error: ApiError | null;
  readonly reload: () => void;
}

/** A job, with its progress while it runs. @param id null: none. */
export function useJob(id: string | null): WatchedJob {
  const path = id === null ? null : pathOf("v1", "jobs", id);
  const read = useResource<Job>((api, signal) => api.get(path ?? "", { signal }), [path], { enabled: path !== null });
  const [told, setTold] = useState<Job | null>(null);
  const latest = told !== null && told.id === id ? told : read.value;
  const isRunning = read.value?.state === "running";
  useEvents(isRunning && path !== null ? `${path}/events` : null, ({ event, data }: StreamEvent) => {
    if (event !== "progress" && event !== "end") return false;
    setTold(data as Job);
    return event === "end";
  });
  return { job: latest, error: read.error, reload: read.reload };
}
