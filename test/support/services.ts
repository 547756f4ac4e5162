import { inject } from "vitest";

/**
 * For a superuser, or at least one who may send `create database`: every test file makes a database of its own. Each
 * worker has a server of its own, where it can: an open transaction of another file holds back what the change feed of
 * the whole server shows.
 */
export function postgresUrl(): string {
  const urls = inject("postgresUrls");
  const worker = Number(process.env.VITEST_POOL_ID ?? 1) - 1;
  return urls[worker % urls.length] as string;
}
