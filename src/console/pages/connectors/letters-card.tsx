import { useState } from "preact/hooks";
import type { ConnectorLetter } from "../../api/documents.ts";
import { Card } from "../../components/card.tsx";
import { EmptyState, Loaded } from "../../components/feedback.tsx";
import { CheckField } from "../../components/field.tsx";
import { OrderButton } from "../../components/order-button.tsx";
import { PagedTable, usePages } from "../../components/pager.tsx";
import type { Column } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { withChoice } from "../../state/choice.ts";
import { useResource } from "../../state/resource.ts";
import { mayAct } from "../../state/session.ts";
import { counted } from "../../text/numbers.ts";
import { useReloadAfter } from "./reload-after.ts";

interface LetterPage {
  readonly deadLetters: readonly ConnectorLetter[];
  readonly cursor: string | null;
}

const PAGE = 100;
/** Characters of an item that are shown. */
const PAYLOAD_LENGTH_MAX = 2_000;

interface LettersProps {
  readonly address: string;
  readonly changes: string;
  readonly onChange: () => void;
}

/** What a connector could not store here, or the other service could not process. */
export function LettersCard({ address, changes, onChange }: LettersProps) {
  const pages = usePages();
  const { after: cursor } = pages;
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const letters = useResource(
    (api, signal) => api.get<LetterPage>(`${address}/dead-letters`, { query: { limit: PAGE, cursor }, signal }),
    [address, cursor],
  );
  useReloadAfter(changes, letters.reload);
  const onDone = () => {
    setChosen(new Set());
    onChange();
  };
  const hasLetters = (letters.value?.deadLetters.length ?? 0) > 0;
  return (
    <Card
      title="Dead letters"
      aside={mayAct.value && hasLetters && <Orders address={address} chosen={[...chosen]} onDone={onDone} />}
    >
      <Loaded resource={letters} what="the dead letters">
        {({ deadLetters, cursor: next }) => (
          <PagedTable
            label="Dead letters"
            columns={columnsOf(chosen, setChosen)}
            rows={deadLetters}
            keyOf={({ id, side }) => `${side} ${id}`}
            pages={pages}
            next={next}
            what="the dead letters"
            empty={<EmptyState title="Nothing was given up." />}
          />
        )}
      </Loaded>
    </Card>
  );
}

function columnsOf(
  chosen: ReadonlySet<string>,
  onChoose: (chosen: ReadonlySet<string>) => void,
): readonly Column<ConnectorLetter>[] {
  const choice: Column<ConnectorLetter> = {
    name: "Choose",
    isNameHidden: true,
    cell: ({ id }) => (
      <CheckField
        isBare
        label={`Choose ${id}`}
        isChecked={chosen.has(id)}
        onChange={(isChosen) => onChoose(withChoice(chosen, id, isChosen))}
      />
    ),
  };
  return [
    ...(mayAct.value ? [choice] : []),
    { name: "Item", isRowHeader: true, cell: ({ id }) => <code>{id}</code> },
    { name: "Failed at", cell: ({ side }) => (side === "from" ? "storing it here" : "the other service") },
    {
      name: "Reason",
      cell: ({ code, reason }) => (
        <>
          {reason} <code class="hint">{code}</code>
        </>
      ),
    },
    { name: "Attempts", isNumber: true, cell: ({ attempts }) => attempts ?? "" },
    { name: "When", cell: ({ at }) => <Time at={at} never="not known" /> },
    {
      name: "Content",
      cell: ({ id, payload }) =>
        payload !== null && (
          <details>
            <summary aria-label={`Show the content of ${id}`}>Show</summary>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
            <pre class="text-block" tabIndex={0}>
              {JSON.stringify(payload, null, 2).slice(0, PAYLOAD_LENGTH_MAX)}
            </pre>
          </details>
        ),
    },
  ];
}

function Orders({ address, chosen, onDone }: { address: string; chosen: readonly string[]; onDone: () => void }) {
  const body = chosen.length === 0 ? {} : { ids: chosen };
  const which = chosen.length === 0 ? "all" : `${chosen.length} chosen`;
  return (
    <>
      <OrderButton
        onDone={onDone}
        act={async (api) => {
          await api.post(`${address}/dead-letters/replay`, body);
          return "A run tries them again.";
        }}
      >
        {`Replay ${which}`}
      </OrderButton>
      <OrderButton
        look="danger"
        onDone={onDone}
        confirm={{
          title: `Drop ${chosen.length === 0 ? "all dead letters" : counted(chosen.length, "dead letter")}?`,
          text: "These items are done without. The next full run may bring them again.",
        }}
        act={async (api) => {
          const { dropped } = await api.post<{ dropped: number }>(`${address}/dead-letters/drop`, body);
          return `${counted(dropped, "dead letter")} dropped.`;
        }}
      >
        {`Drop ${which}`}
      </OrderButton>
    </>
  );
}
