import type { ComponentType } from "preact";

/** What a page is told: the address behind its name. */
export interface PageProps {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export interface Page {
  /** In the address: `#/<name>`. */
  readonly name: string;
  readonly title: string;
  /** Keys that it is for: any, those with the scope admin, or those of them that are bound to no namespaces. */
  readonly access: "read" | "admin" | "operator";
  readonly component: ComponentType<PageProps>;
}
