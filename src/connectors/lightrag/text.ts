import { ServiceError } from "../service/service-error.ts";
import type { DocumentKey } from "./names.ts";

/** Bytes of a document, at most: far below the 50 MiB at which the service cuts the connection. */
const TEXT_BYTES_MAX = 8_388_608;

/** Tokens of language models that fail a document for good on 1.4. A zero-width space breaks them up. */
const SPECIAL_TOKEN = /<\|([a-z_]{1,40})\|>/gi;
/**
 * The document of a memory. Its first line says which one it is, so that two memories of equal content are two documents: the
 * service keeps one of two equal texts and reports the other one as failed.
 * @param body the transformed memory. @returns null where it is blank: the service would accept it and fail it later.
 * @throws {ServiceError} permanent: it is over 8 MiB.
 */
export function documentText(key: DocumentKey, body: string): string | null {
  const safe = safeText(body);
  if (safe.trim() === "") return null;
  const bytes = Buffer.byteLength(safe);
  if (bytes > TEXT_BYTES_MAX) {
    throw new ServiceError("permanent", `the text has ${bytes} bytes, and LightRAG is sent at most ${TEXT_BYTES_MAX}`);
  }
  const { connectorId, namespace, memoryId, version } = key;
  const first = `memory ${line(namespace)}/${line(memoryId)} version ${version} by ${line(connectorId)}`;
  return `${first}\n\n${safe}`;
}

/** The text without what the service cannot take: surrogates alone, NUL, and special tokens in one piece. */
export function safeText(text: string): string {
  return text
    .toWellFormed() // For a lone surrogate the service answers 500.
    .replaceAll("\0", "")
    .replace(SPECIAL_TOKEN, (_, token: string) => `<|\u200B${token}|>`);
}

/** Ids may hold any character: on the first line no line break, and nothing that the service unescapes as HTML. */
function line(text: string): string {
  return safeText(text).replace(/[\s\p{Cc}&<>]+/gu, (found) => encodeURIComponent(found));
}
