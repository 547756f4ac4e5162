import { useState } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { ErasePreview, Erasure } from "../../api/documents.ts";
import { ConfirmDialog } from "../../components/dialog.tsx";
import { Loaded } from "../../components/feedback.tsx";
import { TextField } from "../../components/field.tsx";
import { useAction } from "../../state/action.ts";
import { useResource } from "../../state/resource.ts";
import { counted } from "../../text/numbers.ts";

export interface EraseProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly onClose: () => void;
  readonly onErased: (erasure: Erasure) => void;
}

export function EraseDialog({ namespace, memoryId, onClose, onErased }: EraseProps) {
  const [reason, setReason] = useState("");
  const path = memoryPath(namespace, memoryId, "erase");
  const preview = useResource<ErasePreview>((api, signal) => api.post(path, { dryRun: true }, { signal }), [path]);
  const erase = useAction((api) =>
    api.post<Erasure>(path, reason.trim() === "" ? {} : { reason: reason.trim() }, { timeoutMs: 60_000 }),
  );
  return (
    <ConfirmDialog
      title={`Erase ${memoryId}?`}
      confirm="Erase for good"
      isDangerous
      typed={{ expected: memoryId, label: "The id of the memory, to confirm" }}
      isBusy={erase.isUnderWay}
      error={erase.error}
      onClose={onClose}
      onConfirm={async () => {
        const erasure = await erase.run();
        if (erasure !== undefined) onErased(erasure);
      }}
    >
      <p>
        The content, every version of it and the vector leave every store, and the id is suppressed. Nothing brings them
        back.
      </p>
      <Loaded resource={preview} what="what would go">
        {({ memories }) => <p>{counted(memories, "memory", "memories")} would be erased, with the whole history.</p>}
      </Loaded>
      <TextField
        label="Reason (optional)"
        value={reason}
        onInput={setReason}
        hint="Kept in the receipt: name nothing in it that must go"
      />
    </ConfirmDialog>
  );
}
