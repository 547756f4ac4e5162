import { createHash } from "node:crypto";

/** What names a document at LightRAG: one revision of one memory, as one connector sends it. */
export interface DocumentKey {
  readonly connectorId: string;
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  /** Another text of the same version, where the one before is there: 12 hexadecimal digits of its hash. */
  readonly text?: string | undefined;
}

/** Characters of the hash in a name: 100 bits, so that two memories never share one by chance. */
const HASH_LENGTH = 20;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const NAME_PATTERN = /^mem_[a-z2-7]{20}_v\d+(_[0-9a-f]{12})?\.md$/;

/**
 * `mem_<hash of connector, namespace and id>_v<version>.md`. Each version has a name of its own: a memory that goes from A to B
 * and back to A would otherwise meet a name that is being deleted. The hash is in lower case, since one version of the service
 * tells names apart by case and another one does not; it holds no `[`, since `name.[hint].md` loses its hint.
 */
export function documentName(key: DocumentKey): string {
  // As JSON, so that no two triples have the same text.
  const digest = createHash("sha256")
    .update(JSON.stringify([key.connectorId, key.namespace, key.memoryId]))
    .digest();
  const text = key.text === undefined ? "" : `_${key.text}`;
  return `mem_${base32(digest)}_v${key.version}${text}.md`;
}

/** Whether a document of the service may be ours: others are left alone. */
export function isDocumentName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

function base32(digest: Buffer): string {
  let bits = 0n;
  for (const byte of digest) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let index = 0; index < HASH_LENGTH; index++) text += ALPHABET[Number((bits >> BigInt(5 * index)) & 31n)];
  return text;
}
