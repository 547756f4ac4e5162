import { EventReader } from "./event-reader.ts";
import { openService, type TestService, type TestServiceOptions } from "./http-service.ts";

type Test = Parameters<typeof openService>[0];
type Follow = (query?: string, options?: { key?: string; lastEventId?: string | null }) => Promise<EventReader>;

/** A service that listens, and its streams of changes. */
export async function openEvents(t: Test, options: TestServiceOptions = {}): Promise<TestService & { follow: Follow }> {
  const service = await openService(t, { world: { faiss: false }, ...options, http: { port: 0, ...options.http } });
  const { port } = await service.service.listen();
  const follow: Follow = async (query = "", { key = service.keys.reader, lastEventId = null } = {}) => {
    const headers = { authorization: `Bearer ${key}`, ...(lastEventId && { "last-event-id": lastEventId }) };
    const reader = await EventReader.open(`http://127.0.0.1:${port}/v1/events${query}`, headers);
    t.onTestFinished(async () => reader.hangUp());
    return reader;
  };
  return Object.assign(service, { follow });
}
