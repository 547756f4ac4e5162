/**
 * The part of undici that sends webhooks. A module of its own, imported when the first one is sent: undici takes 200 ms of a start,
 * and the bundle of the program keeps the exports of a CommonJS package only where it is imported statically.
 */
export { Agent, request } from "undici";
