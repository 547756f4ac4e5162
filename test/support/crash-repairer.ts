import { setTimeout as delay } from "node:timers/promises";
import { CheckLedger } from "../../src/ledger/check-ledger.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { Batcher } from "../../src/write/batcher.ts";
import type { RepairCrashOrder } from "./crash-run.ts";

/**
 * The repairer that dies. Run as a child process with a `RepairCrashOrder` as JSON in its argument: checks everything,
 * repairs what it finds, and ends itself with SIGKILL at the n-th pass of the crash point. Nothing of it is closed,
 * flushed or caught.
 */
const order = JSON.parse(process.argv[2] ?? "{}") as RepairCrashOrder;
let passes = 0;

function pass(point: string): void {
  if (point !== order.point || ++passes < order.pass) return;
  process.kill(process.pid, "SIGKILL");
}

type Call = (...args: unknown[]) => Promise<unknown>;

/** Passes `before x`, `during x` (sent, and not answered yet) and `after x` at every call of the method. */
function watch(prototype: object, method: string, name: string): void {
  const calls = prototype as Record<string, Call>;
  const original = calls[method];
  if (original === undefined) throw new Error(`there is no method ${method} to watch`);
  calls[method] = async function (this: unknown, ...args) {
    pass(`before ${name}`);
    const answer = original.apply(this, args);
    if (order.point === `during ${name}`) {
      answer.catch(() => undefined); // Nobody is there any more to hear of it.
      await delay(1);
      pass(`during ${name}`);
    }
    const result = await answer;
    pass(`after ${name}`);
    return result;
  };
}

watch(CheckLedger.prototype, "keepEvidence", "keeping evidence");
watch(CheckLedger.prototype, "settleEvidence", "settling evidence");
watch(CheckLedger.prototype, "forgetFindings", "forgetting findings");
watch(RedisProjection.prototype, "replace", "replacing in redis");
watch(FaissProjection.prototype, "replace", "replacing in the index");
watch(Ledger.prototype, "restoreDocument", "mending the ledger");
watch(Batcher.prototype, "write", "writing the winner");

const sync = await connectWithHooks({ ...order.options, onStep: pass });
const report = await sync.checkConsistency({ scope: "deep" });
const { repaired } = await sync.repairInconsistencies(report, { strategy: "latest_wins" });
process.stderr.write(
  `${order.point} was passed ${passes} times only; ${report.findings.length} found, ${repaired} repaired\n`,
);
process.exit(3);
