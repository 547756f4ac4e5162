import type { Page } from "./page-props.ts";
import { ConflictsPage } from "./pages/conflicts/conflicts-page.tsx";
import { ConnectorsPage } from "./pages/connectors/connectors-page.tsx";
import { DriftPage } from "./pages/drift/drift-page.tsx";
import { EdgesPage } from "./pages/edges/edges-page.tsx";
import { KeysPage } from "./pages/keys/keys-page.tsx";
import { MemoriesPage } from "./pages/memories/memories-page.tsx";
import { OverviewPage } from "./pages/overview/overview-page.tsx";
import { QueuePage } from "./pages/queue/queue-page.tsx";
import { ReplicaPage } from "./pages/replica/replica-page.tsx";

/** The pages, in the order of the navigation. A new page is a folder in pages/ and a line here. */
export const PAGES: readonly Page[] = [
  { name: "overview", title: "Overview", access: "read", component: OverviewPage },
  { name: "memories", title: "Memories", access: "read", component: MemoriesPage },
  { name: "conflicts", title: "Conflicts", access: "admin", component: ConflictsPage },
  { name: "drift", title: "Drift", access: "operator", component: DriftPage },
  { name: "queue", title: "Queue and jobs", access: "operator", component: QueuePage },
  { name: "connectors", title: "Connectors", access: "operator", component: ConnectorsPage },
  { name: "edges", title: "Edges", access: "operator", component: EdgesPage },
  { name: "replica", title: "Replica", access: "operator", component: ReplicaPage },
  { name: "keys", title: "Keys", access: "operator", component: KeysPage },
];
