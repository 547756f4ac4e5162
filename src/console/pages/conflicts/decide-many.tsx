import { useRef, useState } from "preact/hooks";
import type { ApiError } from "../../api/api-error.ts";
import type { Conflict } from "../../api/documents.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorText } from "../../components/feedback.tsx";
import { ChoiceField } from "../../components/field.tsx";
import { Progress } from "../../components/progress.tsx";
import { useAction } from "../../state/action.ts";
import { linkTo } from "../../state/router.ts";
import { counted } from "../../text/numbers.ts";
import { type Decided, decideMany, type Side } from "./decisions.ts";

export interface DecideManyProps {
  readonly conflicts: readonly Conflict[];
  /** Called once the reader has closed the dialog after decisions, and none is under way any more. */
  readonly onDecided: () => void;
}

const TONES: Readonly<Record<Decided["outcome"], Tone>> = {
  repaired: "good",
  planned: "neutral",
  deferred: "warning",
  failed: "bad",
  refused: "bad",
};

/** One decision for all conflicts that were chosen. */
export function DecideMany({ conflicts, onDecided }: DecideManyProps) {
  // Those that the dialog was opened for: the list behind it may be read anew.
  const [deciding, setDeciding] = useState<readonly Conflict[] | null>(null);
  const [decided, setDecided] = useState<readonly Decided[] | null>(null);
  const closing = useRef(new AbortController());
  const run = useAction(async (api, chosen: readonly Conflict[], side: Side) => {
    setDecided([]);
    const add = (one: Decided) => setDecided((before) => [...(before ?? []), one]);
    await decideMany(api, chosen, side, add, closing.current.signal);
    return true;
  });

  function open(): void {
    closing.current = new AbortController();
    run.clear();
    setDecided(null);
    setDeciding(conflicts);
  }

  async function decide(chosen: readonly Conflict[], side: Side): Promise<void> {
    await run.run(chosen, side);
    if (closing.current.signal.aborted) onDecided();
  }

  function close(): void {
    setDeciding(null);
    if (run.isUnderWay) closing.current.abort();
    else if (decided !== null) onDecided();
  }

  return (
    <>
      <Button
        look="primary"
        disabled={conflicts.length === 0}
        isBusy={run.isUnderWay && deciding === null}
        onClick={open}
      >
        Decide the chosen ones
      </Button>
      {run.error !== null && deciding === null && closing.current.signal.aborted && <ErrorText error={run.error} />}
      {deciding !== null && (
        <DecideDialog
          conflicts={deciding}
          decided={decided}
          error={run.error}
          onDecide={(side) => void decide(deciding, side)}
          onClose={close}
        />
      )}
    </>
  );
}

interface DialogProps {
  readonly conflicts: readonly Conflict[];
  /** What came of each so far; null: the reader has not begun. */
  readonly decided: readonly Decided[] | null;
  readonly error: ApiError | null;
  readonly onDecide: (side: Side) => void;
  readonly onClose: () => void;
}

function DecideDialog({ conflicts, decided, error, onDecide, onClose }: DialogProps) {
  const [side, setSide] = useState<Side>("ledger");
  const unknown = conflicts.filter(({ ledgerVersion }) => ledgerVersion === null).length;
  const open = decided?.filter(({ outcome }) => outcome !== "repaired") ?? [];
  return (
    <Dialog title={`Decide ${counted(conflicts.length, "conflict")}`} onClose={onClose}>
      <div class="stack">
        {decided === null && (
          <>
            <ChoiceField
              legend="Which side is right?"
              value={side}
              onInput={(value) => setSide(value as Side)}
              choices={[
                {
                  value: "ledger",
                  text: "The ledger's",
                  hint:
                    unknown === 0
                      ? "The other stores are made equal to it"
                      : `${counted(unknown, "memory", "memories")} that the ledger does not know would be removed from the store`,
                },
                {
                  value: "found",
                  text: "The other side's",
                  hint: "Each becomes a new version in the ledger, and in every store",
                },
              ]}
            />
            <p class="hint">
              The side that loses stays on record, and the history of each memory brings its versions back.
            </p>
          </>
        )}
        {decided !== null && (
          <>
            <Progress
              text={`${decided.length} of ${conflicts.length} decided`}
              value={decided.length}
              max={conflicts.length}
            />
            {open.length > 0 && (
              <ul class="stack stack-close">
                {open.map(({ conflict, outcome, note }) => (
                  <li key={conflict.id}>
                    <Badge tone={TONES[outcome]}>{outcome}</Badge>{" "}
                    <a href={linkTo("conflicts", [conflict.id])}>{conflict.memoryId}</a>: {note}
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
        {error !== null && <ErrorText error={error} />}
        <div class="row row-end">
          <Button onClick={onClose}>{decided === null ? "Cancel" : "Close"}</Button>
          {decided === null && (
            <Button
              look="primary"
              onClick={() => onDecide(side)}
            >{`Decide ${counted(conflicts.length, "conflict")}`}</Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}
