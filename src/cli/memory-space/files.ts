import { copyFile } from "node:fs/promises";
import { MediaFolder } from "../../connectors/media/media-folder.ts";
import { mediaOfMetadata } from "../../connectors/media/media-reference.ts";
import { NotFoundError } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count } from "../output.ts";
import { idOf, mediaPathOf, spaceOf } from "./spaces.ts";
import { withHome } from "./with-home.ts";

/** The files of a memory: where they are, or a copy of one. */
export async function media(invocation: Invocation): Promise<CommandResult> {
  const { args, flags, signal } = invocation;
  const [, memoryId, kind] = args;
  if (memoryId === undefined) throw new UsageError("expected: mnemosync memory media <memory> [audio|image]");
  return await withHome(invocation, false, async (home) => {
    const { namespace } = (await spaceOf(home, invocation)).to;
    const [metadata] = await home.metadataOf(namespace, [memoryId], signal);
    const { mediaDirectory } = home;
    const folder = mediaDirectory === null ? null : new MediaFolder(mediaPathOf(mediaDirectory, idOf(invocation)));
    const wanted = mediaOfMetadata(metadata).filter((reference) => kind === undefined || reference.kind === kind);
    const found = await Promise.all(
      wanted.map(async (reference) => {
        const kept = await folder?.find(reference.sha256, { namespace, memoryId });
        return { ...reference, path: kept?.path ?? null };
      }),
    );
    if (found.length === 0) {
      const which = kind === undefined ? "file" : `${kind} file`;
      throw new NotFoundError(`memory ${JSON.stringify(memoryId)} has no ${which}, or there is no such memory`);
    }
    if (typeof flags.output === "string") await copied(found, flags.output);
    const rows = found.map(({ kind: of, contentType, bytes, path }) => [
      of,
      contentType,
      count(bytes),
      path ?? "missing",
    ]);
    const heads = [{ head: "kind" }, { head: "type" }, { head: "bytes", align: "right" as const }];
    const text = columns([...heads, { head: "file", whole: true }], rows, { overflow: "wrap" });
    return { exitCode: EXIT.ok, json: { memoryId, namespace, media: found }, text };
  });
}

async function copied(found: readonly { readonly path: string | null }[], target: string): Promise<void> {
  const [first] = found;
  if (found.length !== 1) throw new UsageError("the memory has several files: name the kind before --output");
  if (first?.path == null)
    throw new NotFoundError(
      "the file is not in the folder (of a deployment: connectors.mediaDirectory): mnemosync memory sync --force fetches it again",
    );
  await copyFile(first.path, target);
}
