import { pause, pollUntil } from "../../src/dev/wait.ts";
import type { Answer } from "./document.ts";
import type { AsAdmin } from "./planted.ts";
import { TENANTS } from "./tenants.ts";

/** Milliseconds in which the replica arrives at the end of a run, on a machine that has many other things to do. */
const FOLLOWED_MAX_MS = 180_000;
const LOOK_MS = 250;

interface Replica {
  readonly phase: string | null;
  readonly lag: { readonly changes: number } | null;
  readonly deadLetters: { readonly waiting: number; readonly dead: number } | null;
}

/**
 * Once nobody writes any more, the replica has everything, refuses nothing, differs in nothing from its primary and is read again.
 * @returns what is not so; null: all of it is.
 */
export async function unfollowed(ask: AsAdmin, deadlineMs = FOLLOWED_MAX_MS): Promise<string | null> {
  await ask("POST", "/v1/replica/resume");
  let last = "";
  try {
    await pollUntil("the replica at the end of the run", deadlineMs, async () => {
      const status = await ask("GET", "/v1/replica");
      last = `GET ${status.status} ${status.body}`;
      if (status.status === 200 && isAtTheEnd(JSON.parse(status.body) as Replica)) {
        const verified = await ask("POST", "/v1/replica/verify", { deep: true });
        last = `verify ${verified.status} ${verified.body.slice(0, 2_000)}`;
        if (verified.status === 200 && (JSON.parse(verified.body) as { clean: boolean }).clean) {
          // The replica is asked for one that is not there, and may not be for the other one, which says how it stood then.
          const absent = await ask("GET", `/v1/namespaces/${TENANTS[0]}/memories/never-written`);
          const present = await ask("GET", `/v1/namespaces/${TENANTS[0]}/memories/m1`);
          last = `read ${absent.status} ${absent.body}, and ${present.status} ${present.body}`;
          if (isOfBoth(absent) && isOfBoth(present)) return true;
        }
      }
      await pause(LOOK_MS);
      return false;
    });
    return null;
  } catch (error) {
    return `${(error as Error).message}; last: ${last}`;
  }
}

/** Whether a read stands on the primary and the replica: that of a memory that is not there says so too. */
function isOfBoth({ status, body }: Answer): boolean {
  if (status !== 200 && status !== 404) return false;
  const { sources } = JSON.parse(body) as { sources?: { primary: string; replica: string } };
  return sources?.primary === "ok" && sources.replica === "ok";
}

function isAtTheEnd({ phase, lag, deadLetters }: Replica): boolean {
  return phase === "following" && lag?.changes === 0 && deadLetters?.waiting === 0 && deadLetters.dead === 0;
}
