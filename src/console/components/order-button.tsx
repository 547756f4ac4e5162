import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Api } from "../api/client.ts";
import { useAction } from "../state/action.ts";
import { announce } from "../state/announce.ts";
import { Button, type ButtonProps } from "./button.tsx";
import { ConfirmDialog } from "./dialog.tsx";
import { ErrorText } from "./feedback.tsx";

/** What the reader has to confirm before an order is given. */
export interface OrderConfirmation {
  readonly title: string;
  /** What will happen. */
  readonly text: ComponentChildren;
  /** On the button that confirms. @default the label, or the text, of the button that asks */
  readonly button?: string;
}

export interface OrderButtonProps {
  readonly children: ComponentChildren;
  /** Carries the order out. @returns what was done, as a sentence. */
  readonly act: (api: Api) => Promise<string>;
  /** Called after it was carried out. */
  readonly onDone?: () => void;
  /** `danger` is repeated where the reader confirms. @default "plain" */
  readonly look?: ButtonProps["look"];
  readonly disabled?: boolean;
  /** For screen readers, where the text does not say of what. */
  readonly label?: string;
  /** Absent: it is given at once. */
  readonly confirm?: OrderConfirmation | undefined;
}

/** A button that gives the service an order, at once or after a confirmation, and tells how it ended. */
export function OrderButton({ children, act, onDone, look = "plain", disabled, label, confirm }: OrderButtonProps) {
  const [isAsking, setIsAsking] = useState(false);
  const { isUnderWay, error, run, clear } = useAction(act);

  async function give(): Promise<void> {
    const done = await run();
    if (done === undefined) return;
    setIsAsking(false);
    announce(done);
    onDone?.();
  }

  return (
    <>
      <Button
        look={look}
        isBusy={isUnderWay && !isAsking}
        {...(disabled !== undefined && { disabled })}
        {...(label !== undefined && { label })}
        onClick={() => {
          clear();
          if (confirm === undefined) void give();
          else setIsAsking(true);
        }}
      >
        {children}
      </Button>
      {error !== null && !isAsking && <ErrorText error={error} />}
      {confirm !== undefined && isAsking && (
        <ConfirmDialog
          title={confirm.title}
          confirm={confirm.button ?? label ?? String(children)}
          isDangerous={look === "danger"}
          isBusy={isUnderWay}
          error={error}
          onConfirm={() => void give()}
          onClose={() => setIsAsking(false)}
        >
          <p>{confirm.text}</p>
        </ConfirmDialog>
      )}
    </>
  );
}
