import type { ButtonProps } from "./button.tsx";
import { OrderButton, type OrderConfirmation } from "./order-button.tsx";

export interface PauseButtonProps {
  readonly isPaused: boolean;
  /** Of what is paused: its routes `pause` and `resume` stand behind it. */
  readonly address: string;
  /** What was done, as sentences. */
  readonly told: { readonly paused: string; readonly resumed: string };
  /** Absent: it is paused at once. It is always resumed at once. */
  readonly confirm?: OrderConfirmation;
  /** @default "primary" */
  readonly resumeLook?: ButtonProps["look"];
  readonly onDone: () => void;
}

/** Pauses, or resumes what is paused. */
export function PauseButton({ isPaused, address, told, confirm, resumeLook = "primary", onDone }: PauseButtonProps) {
  return (
    <OrderButton
      look={isPaused ? resumeLook : "plain"}
      onDone={onDone}
      confirm={isPaused ? undefined : confirm}
      act={async (api) => {
        await api.post(`${address}/${isPaused ? "resume" : "pause"}`);
        return isPaused ? told.resumed : told.paused;
      }}
    >
      {isPaused ? "Resume" : "Pause"}
    </OrderButton>
  );
}
