import { afterEach, beforeEach } from "vitest";
import { sharedWorld, type World } from "../world.ts";
import { HostedNode, type HostedOptions } from "./hosted-world.ts";
import { LightRagServer } from "./lightrag-server.ts";
import { MemorySpaceServer } from "./memory-space-server.ts";

/** A deployment that the tests of a file share, and for each of them stand-ins of both services, an id, and nodes. */
export function useDeployment() {
  const shared = sharedWorld({ faiss: false });
  let space: MemorySpaceServer;
  let rag: LightRagServer;
  let nodes: HostedNode[] = [];
  let connectors = 0;
  let id: string;
  beforeEach(async () => {
    space = await MemorySpaceServer.start();
    rag = await LightRagServer.start({ version: "1.5.6" });
    id = `c${connectors++}`;
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
    await space.close();
    await rag.close();
  });
  const from = (more: object = {}) => ({
    ...{ type: "memory-space", url: space.url, context: space.context, apiKey: "secret-key" },
    ...more,
  });
  const toRag = () => ({ type: "lightrag", url: rag.url, apiKey: "rag-key" });
  return {
    get world(): World {
      return shared.current;
    },
    get space(): MemorySpaceServer {
      return space;
    },
    get rag(): LightRagServer {
      return rag;
    },
    /** Names a connector of the test, and the namespace of its memories. */
    get id(): string {
      return id;
    },
    node(options: HostedOptions = {}): HostedNode {
      const made = new HostedNode(shared.current, { nodeId: `node-${nodes.length}`, ...options });
      nodes.push(made);
      return made;
    },
    items(count: number): void {
      for (let index = 0; index < count; index++)
        space.put({ id: `i${index}`, created_at: "2026-01-01T00:00:00Z", transcript: `we talked about ${index}` });
    },
    from,
    importing: (more: object = {}) => ({ from: from(), to: { type: "memories", namespace: id }, ...more }),
    delivering: (more: object = {}) => ({ from: { type: "memories", namespaces: [id] }, to: toRag(), ...more }),
    piping: (more: object = {}) => ({ from: from(), to: toRag(), through: { namespace: id }, ...more }),
  };
}
