import { useEffect, useState } from "preact/hooks";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { TextField } from "../../components/field.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { VirtualList } from "../../components/virtual-list.tsx";
import { useResource } from "../../state/resource.ts";
import { go, linkTo } from "../../state/router.ts";
import { counted } from "../../text/numbers.ts";

/** Namespaces that are read at most: whoever has more enters the name. */
const NAMESPACES_MAX = 10_000;
const ROW_HEIGHT = 44;

interface NamespacePageDocument {
  readonly namespaces: readonly string[];
  readonly cursor: string | null;
}

/** Choose a namespace. Where there is only one, its memories are shown at once. */
export function NamespaceList() {
  const [wanted, setWanted] = useState("");
  const resource = useResource<{ namespaces: readonly string[]; isCut: boolean }>(async (api, signal) => {
    const namespaces: string[] = [];
    for (let cursor: string | null = ""; cursor !== null && namespaces.length < NAMESPACES_MAX; ) {
      const page: NamespacePageDocument = await api.get("v1/namespaces", { query: { cursor }, signal });
      namespaces.push(...page.namespaces);
      cursor = page.cursor;
      if (cursor === null) return { namespaces, isCut: false };
    }
    return { namespaces, isCut: true };
  }, []);
  const found = resource.value;
  const only = found?.namespaces.length === 1 ? found.namespaces[0] : undefined;
  useEffect(() => {
    if (only !== undefined) go(linkTo("memories", [only]), { replace: true });
  }, [only]);

  return (
    <>
      <PageHead title="Memories" about="Choose a namespace" />
      <Loaded resource={resource} what="the namespaces">
        {({ namespaces, isCut }) => {
          if (namespaces.length === 0) {
            return (
              <EmptyState title="There are no memories yet">
                <p>
                  Write the first one: <code>PUT /v1/namespaces/…/memories/…</code>, or <code>mnemosync put</code>.
                </p>
              </EmptyState>
            );
          }
          const shown = namespaces.filter((name) => name.toLowerCase().includes(wanted.trim().toLowerCase()));
          return (
            <div class="stack">
              <form
                class="filters"
                onSubmit={(event) => {
                  event.preventDefault();
                  const name = namespaces.includes(wanted.trim()) || isCut ? wanted.trim() : shown[0];
                  if (name) go(linkTo("memories", [name]));
                }}
              >
                <TextField
                  label="Find a namespace"
                  type="search"
                  value={wanted}
                  onInput={setWanted}
                  hint={isCut ? `The first ${NAMESPACES_MAX} are listed: enter the whole name of another` : undefined}
                />
              </form>
              <p class="muted" role="status">
                {counted(shown.length, "namespace")}
              </p>
              {shown.length === 0 ? (
                <EmptyState title="No namespace has this in its name" />
              ) : (
                <VirtualList
                  label="Namespaces"
                  rows={shown}
                  total={shown.length}
                  rowHeight={ROW_HEIGHT}
                  keyOf={(name) => name}
                  hrefOf={(name) => linkTo("memories", [name])}
                >
                  {(name) => <span class="row-title">{name}</span>}
                </VirtualList>
              )}
            </div>
          );
        }}
      </Loaded>
    </>
  );
}
