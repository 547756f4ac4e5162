/** Why a request meets no session. */
export class SessionRefusal extends Error {
  readonly reason: "no-session" | "unknown-session" | "full";

  constructor(reason: SessionRefusal["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}
