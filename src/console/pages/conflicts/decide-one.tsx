import { useState } from "preact/hooks";
import type { ConflictDetails, RepairDetail } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { ErrorText } from "../../components/feedback.tsx";
import { ChoiceField, TextArea, TextField } from "../../components/field.tsx";
import { useAction } from "../../state/action.ts";
import { type Decision, decide, decisionFor, type Side } from "./decisions.ts";

export interface DecideOneProps {
  readonly conflict: ConflictDetails;
  readonly onDecided: (outcome: RepairDetail) => void;
}

/** Choose a side, or write what should stand there. */
export function DecideOne({ conflict, onDecided }: DecideOneProps) {
  const known: Readonly<Record<string, unknown>> = conflict.ledger.document ?? conflict.found.document ?? {};
  const [choice, setChoice] = useState<Side | "own" | "">("");
  const [content, setContent] = useState(textOf(known.content));
  const [memoryType, setMemoryType] = useState(textOf(known.memoryType));
  const [flaw, setFlaw] = useState<string | null>(null);
  const act = useAction((api, decision: Decision) => decide(api, conflict.id, decision));
  const isUnknown = conflict.ledgerVersion === null;

  async function submit(): Promise<void> {
    setFlaw(null);
    if (choice === "") return setFlaw("Choose what should stay.");
    if (choice === "own" && memoryType.trim() === "") return setFlaw("Give the memory a type, for example semantic.");
    const outcome = await act.run(choice === "own" ? own() : decisionFor(conflict, choice));
    if (outcome !== undefined) onDecided(outcome);
  }

  /** The other fields stay as they are where the content was taken from. */
  function own(): Decision {
    const { importance, metadata, privacy, expiresAt } = known;
    return {
      content,
      memoryType: memoryType.trim(),
      ...(typeof importance === "number" && { importance }),
      ...(typeof metadata === "object" && metadata !== null && { metadata: metadata as Record<string, unknown> }),
      ...(typeof privacy === "string" && { privacy }),
      ...(typeof expiresAt === "string" && { expiresAt }),
    };
  }

  return (
    <Card title="Decide">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <ChoiceField
          legend="What should stay?"
          value={choice}
          onInput={(value) => setChoice(value as Side | "own")}
          choices={[
            isUnknown
              ? {
                  value: "ledger",
                  text: `Remove it from ${conflict.store}`,
                  hint: "The ledger does not know the memory",
                }
              : { value: "ledger", text: "The ledger's side", hint: `${conflict.store} is made equal to it` },
            {
              value: "found",
              text: `The side of ${conflict.store}`,
              hint: "It becomes a new version in the ledger and in every store",
            },
            { value: "own", text: "Other content", hint: "Written as a new version" },
          ]}
        />
        {choice === "own" && (
          <>
            <TextArea label="Content" rows={6} value={content} onInput={setContent} />
            <TextField label="Memory type" value={memoryType} onInput={setMemoryType} />
          </>
        )}
        {flaw !== null && (
          <p class="field-error" role="alert">
            {flaw}
          </p>
        )}
        {act.error !== null && <ErrorText error={act.error} />}
        <div class="row">
          <Button type="submit" look="primary" isBusy={act.isUnderWay}>
            Decide
          </Button>
          <span class="hint">The side that loses stays on record.</span>
        </div>
      </form>
    </Card>
  );
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
