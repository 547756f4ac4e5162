import { memoryPath } from "../../api/client.ts";
import { OrderButton } from "../../components/order-button.tsx";

export interface ReviveProps {
  readonly namespace: string;
  readonly memoryId: string;
  readonly onRevived: () => void;
}

export function ReviveButton({ namespace, memoryId, onRevived }: ReviveProps) {
  return (
    <div class="row">
      <OrderButton
        onDone={onRevived}
        confirm={{
          title: `Make the id ${memoryId} usable again?`,
          text: "Then a new memory can be written under it. The erased content does not come back.",
          button: "Make usable",
        }}
        act={async (api) => {
          await api.post(memoryPath(namespace, memoryId, "revive"));
          return `The id ${memoryId} can be written again`;
        }}
      >
        Make the id usable again
      </OrderButton>
    </div>
  );
}
