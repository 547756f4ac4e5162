import { expect, test, vi } from "vitest";

/**
 * Goal: a start of the service builds the schemas of its settings, and few others: each costs some 35 µs and 5 KB, and those of
 * documents, requests and jobs are four times as many. A module that adds to them wraps them with `lazily`. Method: count the calls of zod's functions while modules load.
 */

const calls = vi.hoisted(() => ({ count: 0 }));

vi.mock("zod", async (importOriginal) => {
  const zod = await importOriginal<Record<string, unknown>>();
  const counted = (made: unknown): unknown =>
    typeof made !== "function"
      ? made
      : (...parameters: unknown[]) => {
          calls.count++;
          return made(...parameters);
        };
  const entries = Object.entries(zod).map(([name, made]) => [name, /^[a-z]/.test(name) ? counted(made) : made]);
  return Object.fromEntries(entries);
});

async function callsOf(work: () => Promise<unknown>): Promise<number> {
  const before = calls.count;
  await work();
  return calls.count - before;
}

test("modules of the service build few schemas while they load, beside their settings; the OpenAPI document builds all", async () => {
  const ofSettings = await callsOf(() => import("../../../src/config/options.ts"));
  expect(ofSettings).toBeGreaterThan(100); // The count counts.
  expect(ofSettings).toBeLessThan(500);
  const ofService = await callsOf(async () => {
    await import("../../../src/http/http-service.ts");
    await import("../../../src/http/server.ts");
  });
  // 22: those of the file of keys, which every start reads, and of the times of a memory.
  expect(ofService).toBeLessThanOrEqual(30);
  const ofDocument = await callsOf(async () => {
    const { openApiDocument } = await import("../../../src/http/openapi.ts");
    const { ROUTE_GROUPS } = await import("../../../src/http/routes.ts");
    const { httpOptions } = await import("../../support/http-service.ts");
    openApiDocument(ROUTE_GROUPS, "0.0.0", httpOptions());
  });
  expect(ofDocument).toBeGreaterThan(300);
}, 240_000);
