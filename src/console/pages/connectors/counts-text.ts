import type { ConnectorRun } from "../../api/documents.ts";
import { counted, whole } from "../../text/numbers.ts";

/** `12 read, 3 created, 2 files fetched (20,480 bytes)`: without what is 0. */
export function countsText({ media, bytes, ...items }: ConnectorRun["counts"]): string {
  const told = Object.entries(items).filter(([, count]) => count > 0);
  const texts = told.map(([name, count]) => `${whole(count)} ${name}`);
  if (media > 0) texts.push(`${counted(media, "file")} fetched (${counted(bytes, "byte")})`);
  return texts.join(", ");
}
