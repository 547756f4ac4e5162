import { useState } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { Memory, Outcome } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorText, Message } from "../../components/feedback.tsx";
import { SelectField, TextArea, TextField } from "../../components/field.tsx";
import { useAction } from "../../state/action.ts";
import { announce } from "../../state/announce.ts";
import { draftOf, type Flaws, patchOf } from "./edit-draft.ts";
import { ImportanceField } from "./importance-field.tsx";

export interface EditProps {
  /** As it is known now: it may be read anew while the dialog is open. */
  readonly memory: Memory;
  readonly onClose: () => void;
  readonly onSaved: () => void;
  readonly onReload: () => void;
}

const PRIVACIES = ["full", "redacted", "local_only"].map((value) => ({ value, text: value }));

const VECTORS = [
  { value: "", text: "Made anew by the service's embedder" },
  { value: "keep", text: "Keep the one it has" },
  { value: "drop", text: "Drop it: no search by meaning finds the memory" },
];

export function EditDialog({ memory, onClose, onSaved, onReload }: EditProps) {
  // The patch has what the reader changed of this; a write in between keeps its other fields.
  const [base] = useState(memory);
  // The version that the patch may be written on: one that the reader knows of.
  const [version, setVersion] = useState(memory.version);
  const [draft, setDraft] = useState(() => draftOf(memory));
  const [vector, setVector] = useState("");
  const [flaws, setFlaws] = useState<Flaws>({});
  const [isUnchanged, setIsUnchanged] = useState(false);
  const save = useAction((api, patch: object, isOfContent: boolean) =>
    api.patch<Outcome>(memoryPath(base.namespace, base.memoryId), patch, {
      headers: { "if-match": `"${version}"` },
      query: { embedding: isOfContent && base.dimension !== null ? vector : "" },
    }),
  );
  const set = (change: Partial<typeof draft>) => {
    setDraft({ ...draft, ...change });
    setIsUnchanged(false);
  };
  const hasMoved = save.error?.code === "VERSION_CONFLICT" || memory.version !== version;

  async function submit(): Promise<void> {
    const made = patchOf(base, draft);
    setFlaws("flaws" in made ? made.flaws : {});
    if ("flaws" in made) return;
    if (Object.keys(made.patch).length === 0) return setIsUnchanged(true);
    const outcome = await save.run(made.patch, "content" in made.patch);
    if (outcome === undefined) return;
    announce(
      outcome.status === "degraded"
        ? `Saved as version ${outcome.version}; a store is behind and follows`
        : `Saved as version ${outcome.version}`,
    );
    onSaved();
  }

  return (
    <Dialog title={`Edit ${base.memoryId}`} onClose={onClose} isWide>
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextArea label="Content" rows={8} value={draft.content} onInput={(content) => set({ content })} />
        <div class="filters">
          <TextField
            label="Memory type"
            value={draft.memoryType}
            onInput={(memoryType) => set({ memoryType })}
            error={flaws.memoryType}
          />
          <ImportanceField
            label="Importance"
            value={draft.importance}
            onInput={(importance) => set({ importance })}
            error={flaws.importance}
          />
          <SelectField
            label="Privacy"
            value={draft.privacy}
            onInput={(privacy) => set({ privacy: privacy as Memory["privacy"] })}
            choices={PRIVACIES}
          />
          <TextField
            label="Expires"
            type="datetime-local"
            value={draft.expiresAt}
            onInput={(expiresAt) => set({ expiresAt })}
            hint="In your time zone. Empty: never"
            error={flaws.expiresAt}
          />
          {base.dimension !== null && draft.content !== base.content && (
            <SelectField label="Vector of the new content" value={vector} onInput={setVector} choices={VECTORS} />
          )}
        </div>
        <TextArea
          label="Metadata, as JSON"
          rows={6}
          isCode
          value={draft.metadata}
          onInput={(metadata) => set({ metadata })}
          error={flaws.metadata}
        />
        {isUnchanged && (
          <Message kind="info">
            <p>Nothing was changed, so there is nothing to save.</p>
          </Message>
        )}
        {save.error !== null && <ErrorText error={save.error} />}
        {hasMoved && (
          <Message kind="warning">
            <p>
              The memory was written in the meantime. Your changes are still here: read the newest version, and save
              again if they should follow it. Fields that you did not change stay as they are there.
            </p>
            <div class="row">
              {memory.version === version ? (
                <Button onClick={onReload}>Read the newest version</Button>
              ) : (
                <Button
                  onClick={() => {
                    setVersion(memory.version);
                    save.clear();
                  }}
                >
                  {`Save on top of version ${memory.version}`}
                </Button>
              )}
            </div>
          </Message>
        )}
        <div class="row row-end">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" isBusy={save.isUnderWay} disabled={hasMoved}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
