import type { Page } from "./page-props.ts";
import { ConflictsPage } from "./pages/conflicts/conflicts-page.tsx";
import { DriftPage } from "./pages/drift/drift-page.tsx";
import { MemoriesPage } from "./pages/memories/memories-page.tsx";
import { OverviewPage } from "./pages/overview/overview-page.tsx";

/** The pages, in the order of the navigation. A new page is a folder in pages/ and a line here. */
export const PAGES: readonly Page[] = [
  { name: "overview", title: "Overview", access: "read", component: OverviewPage },
  { name: "memories", title: "Memories", access: "read", component: MemoriesPage },
  { name: "conflicts", title: "Conflicts", access: "admin", component: ConflictsPage },
  { name: "drift", title: "Drift", access: "operator", component: DriftPage },
];
