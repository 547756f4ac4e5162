import { Redis } from "ioredis";
import { checksumOf, embeddingBytes, entryDigest } from "../../src/domain/checksum.ts";
import type { EncodedMemory } from "../../src/domain/memory.ts";
import type { BenchMemory } from "../support/dataset.ts";
import { encoded } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";

/** A hash as it is stored, made before the clock runs. */
export interface FloorHash {
  readonly key: string;
  readonly checksum: string;
  /** `version checksum digest modified_at vector data embedding`. */
  readonly values: readonly (string | Buffer)[];
}

const PREFIX = "floor:memory:default:";
const FIELDS = 7;
/** What holds whatever it is told, version or none. */
const WRITE = `
for index, key in ipairs(KEYS) do
  local at = (index - 1) * ${FIELDS}
  redis.call('HSET', key, 'version', ARGV[at + 1], 'checksum', ARGV[at + 2], 'digest', ARGV[at + 3],
    'modified_at', ARGV[at + 4], 'vector', ARGV[at + 5], 'data', ARGV[at + 6], 'embedding', ARGV[at + 7])
end
return #KEYS`;

export function floorHashes(memories: readonly BenchMemory[]): FloorHash[] {
  return memories.map((memory) => floorHash(encoded(memory)));
}

export function floorHash(
  memory: Pick<EncodedMemory, "memoryId" | "documentJson" | "checksum" | "embedding">,
): FloorHash {
  const { memoryId, documentJson, checksum, embedding } = memory;
  const digest = entryDigest({ namespace: "default", memoryId }, 1, checksum);
  const bytes = embedding === null ? "" : embeddingBytes(embedding);
  const values = ["1", checksum, digest, "1767225600000", '{"floor":1}', documentJson, bytes];
  return { key: PREFIX + memoryId, checksum, values };
}

/**
 * Redis alone: the same hashes in one script call for many keys, which is the fastest way in, with no look at what was
 * there. Nothing is on disk when it answers.
 */
export class RedisFloor {
  readonly #client: Redis;

  constructor(url: string) {
    this.#client = new Redis(url, { retryStrategy: () => 50 });
    this.#client.on("error", () => undefined); // Of scenarios that stop the server.
    this.#client.defineCommand("writeFloor", { lua: WRITE });
  }

  async write(hashes: readonly FloorHash[]): Promise<void> {
    const client = this.#client as Redis & { writeFloor(count: number, ...rest: (string | Buffer)[]): Promise<number> };
    const keys = hashes.map(({ key }) => key);
    const values = hashes.flatMap((hash) => hash.values);
    const written = await client.writeFloor(hashes.length, ...keys, ...values);
    verify(written === hashes.length, `Redis wrote ${written} of ${hashes.length} hashes`);
  }

  /** All fields of one of our own keys or of the floor's: what a read cannot be faster than. */
  async read(key: string): Promise<Record<string, Buffer>> {
    return await this.#client.hgetallBuffer(key);
  }

  async verifyHeld(sample: readonly FloorHash[]): Promise<void> {
    for (const { key, checksum } of sample) {
      const { data, embedding } = await this.read(key);
      verify(checksumOf(data ?? "", embedding ?? null) === checksum, `${key} differs in the floor`);
    }
  }

  async remove(hashes: readonly FloorHash[]): Promise<void> {
    await this.#client.unlink(hashes.map(({ key }) => key));
  }

  close(): void {
    this.#client.disconnect();
  }
}
