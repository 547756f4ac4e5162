import { expect } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { expectEachVersion, expectGapFree, hasEverything, writeUnderLoad } from "./change-load.ts";
import { type ReadEvent, toldEvent } from "./event-reader.ts";
import type { openEvents } from "./event-service.ts";
import { randomNumbers } from "./memories.ts";
import type { ToldChange } from "./told-change.ts";

export interface CutReading {
  /** @default "changes" */
  readonly reading?: "changes" | "versions";
  /** Versions that are written meanwhile. */
  readonly changes: number;
  /** Events after which a reader is cut, at most. */
  readonly eventsMax: number;
  readonly cutsMin: number;
  /** Milliseconds from the last write to the last event, at most. */
  readonly restMs: number;
}

/**
 * Follows two of three namespaces under load with a reader that hangs up again and again, and goes on from its last event.
 * Fails unless it is told each version once, in order per memory, and ends with what the ledger holds.
 */
export async function followWithCuts(service: Awaited<ReturnType<typeof openEvents>>, reading: CutReading) {
  const { world } = service;
  const random = randomNumbers(7);
  const told: ToldChange[] = [];
  const namespaces = ["a", "b"];
  const writing = writeUnderLoad(world, reading.changes, random);
  const isAllTold = async (): Promise<null> => {
    await writing;
    await pollUntil("all to be told", reading.restMs, () => hasEverything(world, told, namespaces));
    return null;
  };
  const allTold = isAllTold();
  let lastEventId: string | null = null;
  let cuts = 0;
  let event: ReadEvent | null = null;
  do {
    const reader = await service.follow(`?namespace=a&namespace=b&reading=${reading.reading ?? "changes"}`, {
      lastEventId,
    });
    const count = 1 + Math.floor(random() * reading.eventsMax);
    for (let read = 0; read < count; read++) {
      event = await Promise.race([reader.next(), allTold]);
      if (event === null) break;
      told.push(toldEvent(event));
      lastEventId = event.id;
    }
    reader.hangUp();
    cuts++;
  } while (event !== null);
  await allTold;
  expect(cuts).toBeGreaterThan(reading.cutsMin);
  await expectGapFree(world, told, namespaces);
  if (reading.reading === "versions") await expectEachVersion(world, told, namespaces);
}
