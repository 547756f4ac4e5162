import type { Access, Route } from "./route.ts";

/** Refusals that a request to the route may meet before its handler runs, by status. */
export function refusalsOf(route: Route, access: Access): Readonly<Record<number, string>> {
  const hasFields = route.params !== undefined || route.body !== undefined || route.query !== undefined;
  return {
    400: "The request could not be understood",
    408: "The request did not arrive in time",
    417: "An expectation other than 100-continue",
    431: "Address and headers together are too long",
    ...(route.params && { 414: "A parameter in the address is too long" }),
    ...(route.method !== "GET" && {
      413: "The body is larger, or has more parts, than the route takes",
      415: "The body has another type than the route accepts",
    }),
    ...(access !== "public" && {
      401: "No key, or an unknown one",
      403: "The key lacks the scope, or is not bound to the namespace",
      429: "Too many requests: Retry-After says how many seconds to wait",
      504: "The deadline passed; a write may still go through",
      ...(hasFields && { 422: "A field breaks a rule; `path` names it" }),
    }),
    503: "A store does not answer, or the service starts, stops or has no room for the body: try again",
  };
}

/** What the document says of an operation's access, beside its refusals. */
export function securityOf(access: Access): { security?: []; "x-mnemosync-scope"?: string } {
  return access === "public" ? { security: [] } : { "x-mnemosync-scope": access.scope };
}
