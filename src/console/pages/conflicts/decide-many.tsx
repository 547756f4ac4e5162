import { useState } from "preact/hooks";
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
  /** Called once the reader closes the dialog after decisions. */
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
  return (
    <>
      <Button look="primary" disabled={conflicts.length === 0} onClick={() => setDeciding(conflicts)}>
        Decide the chosen ones
      </Button>
      {deciding !== null && (
        <DecideDialog
          conflicts={deciding}
          onClose={(hasDecided) => {
            setDeciding(null);
            if (hasDecided) onDecided();
          }}
        />
      )}
    </>
  );
}

interface DialogProps {
  readonly conflicts: readonly Conflict[];
  readonly onClose: (hasDecided: boolean) => void;
}

function DecideDialog({ conflicts, onClose }: DialogProps) {
  const [side, setSide] = useState<Side>("ledger");
  const [decided, setDecided] = useState<readonly Decided[]>([]);
  const [hasBegun, setHasBegun] = useState(false);
  const run = useAction(async (api) => {
    setHasBegun(true);
    await decideMany(api, conflicts, side, (one) => setDecided((before) => [...before, one]));
    return true;
  });
  const unknown = conflicts.filter(({ ledgerVersion }) => ledgerVersion === null).length;
  const open = decided.filter(({ outcome }) => outcome !== "repaired");
  return (
    <Dialog title={`Decide ${counted(conflicts.length, "conflict")}`} onClose={() => onClose(hasBegun)}>
      <div class="stack">
        {!hasBegun && (
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
        {hasBegun && (
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
        {run.error !== null && <ErrorText error={run.error} />}
        <div class="row row-end">
          <Button onClick={() => onClose(hasBegun)}>{hasBegun ? "Close" : "Cancel"}</Button>
          {!hasBegun && (
            <Button
              look="primary"
              onClick={() => void run.run()}
            >{`Decide ${counted(conflicts.length, "conflict")}`}</Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}
