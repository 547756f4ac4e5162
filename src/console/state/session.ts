import { computed, signal } from "@preact/signals";
import { ApiError } from "../api/api-error.ts";
import { Api, type ApiOptions } from "../api/client.ts";
import type { Identity } from "../api/documents.ts";

/**
 *   opening ──the service needs no key──► signedIn
 *      └──it needs one, or does not answer──► signedOut ──signIn──► signedIn ──key lost, signOut──► signedOut
 */
export type Session =
  | { readonly state: "opening" }
  | { readonly state: "signedOut"; readonly reason: string | null }
  | { readonly state: "signedIn"; readonly api: Api; readonly identity: Identity; readonly keyed: boolean };

const IDENTITY_PATH = "v1/keys/self";

export const session = signal<Session>({ state: "opening" });

/** Of the session. Components below the shell are shown to a reader who has signed in only. */
export const signedIn = computed(() => {
  const now = session.value;
  if (now.state !== "signedIn") throw new Error("nobody has signed in");
  return now;
});

/** Whether the reader may change anything: the console is read-only without the scope admin. */
export const mayAct = computed(() => session.value.state === "signedIn" && session.value.identity.scope === "admin");

export const isOperator = computed(() => session.value.state === "signedIn" && session.value.identity.operator);

/** What the service says of itself to everyone. */
interface Settings {
  readonly authentication: "keys" | "none";
  readonly version: string;
}

export const serviceVersion = signal<string | null>(null);

/** Signs in at once where the service takes calls without a key, as one on a loopback address may. */
export async function openSession(): Promise<void> {
  try {
    const { authentication, version } = await newApi({ key: null, onKeyLost: () => undefined }).get<Settings>(
      "console/settings.json",
    );
    serviceVersion.value = version;
    const failure = authentication === "none" ? await begin(null) : null;
    if (session.value.state === "opening") signOut(failure?.message ?? null);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    signOut(`${error.message}: load the page again once it runs`);
  }
}

/** From the page's own address: a proxy may have put a prefix before it. */
function newApi(options: Pick<ApiOptions, "key" | "onKeyLost">): Api {
  return new Api({ ...options, base: new URL("../", document.baseURI) });
}

const NO_KEY = "UNAUTHENTICATED";

/** @returns why the key does not open a session; null: it does. */
export async function signIn(key: string): Promise<string | null> {
  const failure = await begin(key);
  if (failure === null) return null;
  return failure.code === NO_KEY ? "The service does not know this key, or it has expired." : failure.message;
}

/** The key is dropped with the session that had it. */
export function signOut(reason: string | null = null): void {
  session.value = { state: "signedOut", reason };
}

async function begin(key: string | null): Promise<ApiError | null> {
  // A call of an earlier session that is refused late must not end the one that has begun since.
  const onKeyLost = () => {
    if (session.value.state === "signedIn" && session.value.api === api) {
      signOut("Your session has ended: the service does not take the key any more. Sign in with a valid one.");
    }
  };
  const api = newApi({ key, onKeyLost });
  try {
    const identity = await api.get<Identity>(IDENTITY_PATH);
    session.value = { state: "signedIn", api, identity, keyed: key !== null };
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}
