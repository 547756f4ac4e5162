import type { Key, Keys } from "../../api/documents.ts";
import { Badge } from "../../components/badge.tsx";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded, Message } from "../../components/feedback.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { PagedTable, usePages } from "../../components/pager.tsx";
import type { Column } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useResource } from "../../state/resource.ts";
import { signedIn } from "../../state/session.ts";

const PAGE = 100;

const COLUMNS: readonly Column<Key>[] = [
  {
    name: "Key",
    isRowHeader: true,
    cell: ({ id }) => (
      <>
        <code>{id}</code> {id === signedIn.value.identity.id && <Badge tone="neutral">yours</Badge>}
      </>
    ),
  },
  { name: "Owner", cell: ({ owner }) => <code>{owner}</code> },
  { name: "Scope", cell: ({ scope }) => scope },
  { name: "Namespaces", cell: ({ namespaces }) => (namespaces === null ? "all" : namespaces.join(", ")) },
  {
    name: "Expires",
    cell: ({ expiresAt, expired }) => (
      <>
        <Time at={expiresAt} isExact /> {expired && <Badge tone="warning">expired</Badge>}
      </>
    ),
  },
];

/** The keys of the service. They are made and revoked on the machine that has their file. */
export function KeysPage() {
  const pages = usePages();
  const { after } = pages;
  const keys = useResource(
    (api, signal) => api.get<Keys>("v1/keys", { query: { limit: PAGE, after }, signal }),
    [after],
  );
  return (
    <>
      <PageHead title="Keys" />
      <Card title="Keys of the service">
        <p>
          A key is shown once, when it is made; the service keeps its hash. Keys are made and revoked on the command
          line, where their file is: <code>mnemosync key add</code>, <code>mnemosync key revoke</code>. A running
          service notices within 5 seconds.
        </p>
        <Loaded resource={keys} what="the keys">
          {({ authentication, keys: listed, after: next }) =>
            authentication === "none" ? (
              <Message kind="warning">
                This service asks for no keys (<code>http.authentication: none</code>): whoever reaches it from this
                machine may do everything.
              </Message>
            ) : (
              <PagedTable
                label="Keys"
                columns={COLUMNS}
                rows={listed}
                keyOf={({ id }) => id}
                pages={pages}
                next={next}
                what="the keys"
                empty={<EmptyState title="The service has no keys." />}
              />
            )
          }
        </Loaded>
      </Card>
    </>
  );
}
