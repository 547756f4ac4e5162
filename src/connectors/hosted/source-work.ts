import { ConfigurationError } from "../../domain/errors.ts";
import { namespaceOf } from "../definition.ts";
import type { MediaFolder } from "../media/media-folder.ts";
import { MemorySpaceClient } from "../memory-space/client.ts";
import { MemorySpaceSource } from "../memory-space/source.ts";
import { HubTarget } from "../run/hub-target.ts";
import { newRun, resumedRun } from "../run/run-record.ts";
import type { Source } from "../run/source.ts";
import { runSource } from "../run/source-run.ts";
import type { RunRecord } from "../state/state.ts";
import { LedgerState } from "./ledger-state.ts";
import { mediaCollection, mediaFolderOf } from "./media-work.ts";
import { replayLetters } from "./replay.ts";
import { ConnectorRunningError } from "./running-error.ts";
import type { Work, WorkParts } from "./work.ts";

/** From another service into the memories of this deployment. */
export function sourceWork(parts: WorkParts): Work {
  const source = sourceOf(parts);
  return {
    test: (signal) => source.ping(signal),
    run: async (signal) => ({ run: await importItems(parts, source, signal), delivery: null }),
  };
}

/** One run of the source, under the id of the job. */
export async function importItems(parts: WorkParts, source: Source, signal: AbortSignal): Promise<RunRecord> {
  const { connectorId, definition, order, runId, writer, onProgress, hooks } = parts;
  const state = sourceState(parts);
  const target = new HubTarget(writer, namespaceOf(definition));
  const earlier = await state.run(runId);
  const { now = Date.now } = hooks;
  const begun = earlier === null ? newRun(order.scope, now(), runId) : resumedRun(earlier);
  if (order.scope === "replay") {
    return await replayLetters({ connectorId, source, target, state, onProgress, now }, begun, order, signal);
  }
  const { scope, force, limit, dryRun, allowMassDelete } = order;
  const options = {
    ...{ scope, force, dryRun, allowMassDelete, overlapMs: definition.overlapMs },
    ...(limit !== null && { limit }),
  };
  const folder = mediaFolderOf(parts.mediaDirectory, connectorId);
  const tidy = folder === null ? {} : { tidy: mediaCollection(parts, folder) };
  const record = await runSource({ source, target, state, onProgress, begun, now, ...tidy }, options, signal);
  if ("running" in record) throw new ConnectorRunningError(connectorId, record.running.id);
  return record;
}

export function sourceState({ connectorId, definition, postgres, callTimeoutMs }: WorkParts): LedgerState {
  return new LedgerState(postgres, { connector: connectorId, namespace: namespaceOf(definition), callTimeoutMs });
}

/** @throws {ConfigurationError} The connector has no source, or fetches files and this node has no place for them. */
export function sourceOf({
  connectorId,
  definition,
  mediaDirectory,
  hooks,
}: Pick<WorkParts, "connectorId" | "definition" | "mediaDirectory" | "hooks">): Source {
  const { from, mapping, media } = definition;
  if (from.type !== "memory-space") throw new ConfigurationError("the connector reads no other service");
  const { type: _, ...settings } = from;
  const { pause, fetch } = hooks;
  const client = new MemorySpaceClient(settings, { ...(pause && { pause }), ...(fetch && { fetch }) });
  const folder: MediaFolder | null = media === undefined ? null : mediaFolderOf(mediaDirectory, connectorId);
  if (media !== undefined && folder === null)
    throw new ConfigurationError(
      `connector ${connectorId} fetches files, and this node has no folder for them: set connectors.mediaDirectory`,
    );
  return new MemorySpaceSource(client, { ...mapping, media, namespace: namespaceOf(definition) }, folder);
}
