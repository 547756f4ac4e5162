import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test, vi } from "vitest";
import { pollUntil } from "../../../src/dev/wait.ts";
import { openService } from "../../support/http-service.ts";
import { called, httpClient, listening } from "../../support/mcp-clients.ts";
import { memory, withoutIndex } from "../../support/mcp-worlds.ts";

/** Goal: as many agents as a deployment may have at once are served side by side. */

vi.setConfig({ testTimeout: 400_000 });

test("a hundred sessions at once work side by side, and leave nothing when they end", async (t) => {
  const service = await openService(t, { world: withoutIndex });
  await listening(service);
  const clients = await Promise.all(Array.from({ length: 100 }, () => httpClient(t, service)));
  const sessions = await service.service.mcp();
  expect(sessions.size).toBe(100);
  const told = new Set<number>();
  await Promise.all(
    clients.map(async (client, number) => {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, () => void told.add(number));
      await called(client, "remember", memory(number));
      await client.subscribeResource({ uri: `memory://default/mem-${number}` });
      await called(client, "update", { memoryId: `mem-${number}`, importance: 1 });
      expect(await called(client, "get", { memoryId: `mem-${number}` })).toMatchObject({ importance: 1, version: 2 });
    }),
  );
  await pollUntil("all to be told of their memory", 60_000, () => told.size === 100);
  expect(sessions.watched).toBe(100);
  await Promise.all(
    clients.map((client) => (client.transport as { terminateSession?(): Promise<void> }).terminateSession?.()),
  );
  expect([sessions.size, sessions.watched]).toEqual([0, 0]);
  await Promise.all(clients.map((client) => client.close()));
});
