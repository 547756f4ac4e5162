import type { RedisFacts } from "../../stores/redis/redis-facts.ts";
import { type Diagnosis, failure, note, ok, warning } from "./diagnosis.ts";

/** Largest share of its limit that may be in use. */
const MEMORY_SHARE_MAX = 0.9;

/** @param facts of the one server, or of each server of a cluster: then the findings name the server. */
export function diagnoseRedis(facts: readonly RedisFacts[]): Diagnosis[] {
  return facts.flatMap((one) =>
    diagnoseServer(one).map((diagnosis) =>
      one.server === null ? diagnosis : { ...diagnosis, found: `${one.server}: ${diagnosis.found}` },
    ),
  );
}

function diagnoseServer(facts: RedisFacts): Diagnosis[] {
  return [
    version(facts),
    facts.role === null || facts.role === "master"
      ? ok("redis.writable", "takes writes")
      : failure("redis.writable", `is a ${facts.role}`, "give the address of the primary"),
    eviction(facts),
    memory(facts),
    persistence(facts),
  ];
}

function version({ version: found }: RedisFacts): Diagnosis {
  const [major = 0, minor = 0] = (found ?? "").split(".").map(Number);
  if (found === null) return note("redis.version", "unknown", "Redis 6.2 or newer is expected");
  if (major > 6 || (major === 6 && minor >= 2)) return ok("redis.version", found);
  return warning("redis.version", found, "Redis 6.2 or newer is expected: older versions are not tested");
}

function eviction({ evictionPolicy }: RedisFacts): Diagnosis {
  const check = "redis.eviction";
  if (evictionPolicy === null || evictionPolicy === "noeviction") return ok(check, evictionPolicy ?? "unknown");
  if (evictionPolicy.startsWith("volatile-")) {
    return warning(
      check,
      evictionPolicy,
      "Redis drops keys with a time to live first, and these are the tombstones of deleted memories: use noeviction, or " +
        "allkeys-lru, which drops what is used least",
    );
  }
  const advice = "memories that Redis drops are read from Postgres; a check counts them as misses, not as drift";
  return note(check, evictionPolicy, advice);
}

function memory({ maxmemoryBytes, usedMemoryBytes, evictionPolicy }: RedisFacts): Diagnosis {
  const check = "redis.memory";
  if (!maxmemoryBytes || usedMemoryBytes === null) return ok(check, "no limit of its own");
  const share = usedMemoryBytes / maxmemoryBytes;
  const found = `${Math.round(share * 100)} % of its limit in use`;
  if (share <= MEMORY_SHARE_MAX || evictionPolicy !== "noeviction") return ok(check, found);
  return warning(
    check,
    found,
    "raise maxmemory, or leave vectors out (redisStoreEmbedding: false): a full server refuses writes",
  );
}

function persistence({ appendOnly, lastSaveFailed }: RedisFacts): Diagnosis {
  const check = "redis.persistence";
  if (lastSaveFailed) {
    return warning(
      check,
      "the last save failed",
      "free disk space there: Redis refuses writes while stop-writes-on-bgsave-error is on",
    );
  }
  if (appendOnly) return ok(check, "append-only file");
  const advice =
    "nothing is lost, since Postgres has everything; after a restart run mnemosync repair, or keep the consistency loop running";
  return note(check, "no append-only file: a restart loses the latest writes, or all", advice);
}
