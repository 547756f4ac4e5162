import { useState } from "preact/hooks";
import { memoryPath } from "../../api/client.ts";
import type { Outcome } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { ConfirmDialog } from "../../components/dialog.tsx";
import { useAction } from "../../state/action.ts";
import { announce } from "../../state/announce.ts";

export interface ReviveProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly onRevived: () => void;
}

export function ReviveButton({ namespace, memoryId, onRevived }: ReviveProps) {
  const [isOpen, setIsOpen] = useState(false);
  const revive = useAction((api) => api.post<Outcome>(memoryPath(namespace, memoryId, "revive")));
  return (
    <div class="row">
      <Button onClick={() => setIsOpen(true)}>Make the id usable again</Button>
      {isOpen && (
        <ConfirmDialog
          title={`Make the id ${memoryId} usable again?`}
          confirm="Make usable"
          isBusy={revive.isUnderWay}
          error={revive.error}
          onClose={() => setIsOpen(false)}
          onConfirm={async () => {
            if ((await revive.run()) === undefined) return;
            setIsOpen(false);
            announce(`The id ${memoryId} can be written again`);
            onRevived();
          }}
        >
          <p>Then a new memory can be written under it. The erased content does not come back.</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
