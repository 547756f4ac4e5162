import type { PageProps } from "../../page-props.ts";
import { MemoryPage } from "./memory-page.tsx";
import { NamespaceList } from "./namespace-list.tsx";
import { NamespacePage } from "./namespace-page.tsx";

/** `#/memories`: the namespaces. `#/memories/<namespace>`: its memories. `#/memories/<namespace>/<id>`: one of them. */
export function MemoriesPage({ path: [namespace, memoryId], query }: PageProps) {
  if (namespace === undefined) return <NamespaceList />;
  if (memoryId === undefined) return <NamespacePage key={namespace} namespace={namespace} query={query} />;
  return <MemoryPage key={`${namespace}/${memoryId}`} namespace={namespace} memoryId={memoryId} query={query} />;
}
