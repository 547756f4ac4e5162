import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/api-error.ts";
import { Button } from "./button.tsx";
import { ErrorText } from "./feedback.tsx";
import { TextField } from "./field.tsx";

export interface DialogProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Also on Escape. */
  readonly onClose: () => void;
  readonly isWide?: boolean;
}

/** A modal dialog. The browser holds the focus in it, and gives it back when it closes. Shown as long as it is rendered. */
export function Dialog({ title, children, onClose, isWide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const isLeaving = useRef(false);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      isLeaving.current = true;
      dialog?.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={isWide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // The browser may close it without asking, as on a second Escape.
      onClose={() => {
        if (!isLeaving.current) onClose();
      }}
    >
      <h2 id={titleId}>{title}</h2>
      {children}
    </dialog>
  );
}

export interface ConfirmProps {
  readonly title: string;
  /** What will happen. */
  readonly children: ComponentChildren;
  /** The button's text: what it does, not "OK". */
  readonly confirm: string;
  readonly isDangerous?: boolean;
  /** What the reader must type first, where nothing brings back what goes. */
  readonly typed?: { readonly expected: string; readonly label: string };
  readonly isBusy?: boolean;
  readonly error?: ApiError | null;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

export function ConfirmDialog(props: ConfirmProps) {
  const { title, children, confirm, isDangerous = false, typed, isBusy = false, error = null } = props;
  const [text, setText] = useState("");
  const isAllowed = typed === undefined || text === typed.expected;
  return (
    <Dialog title={title} onClose={props.onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (isAllowed && !isBusy) props.onConfirm();
        }}
      >
        <div class="stack">{children}</div>
        {typed !== undefined && (
          <TextField label={typed.label} value={text} onInput={setText} isCode hint={`Type: ${typed.expected}`} />
        )}
        {error !== null && <ErrorText error={error} />}
        <div class="row row-end">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button type="submit" look={isDangerous ? "danger" : "primary"} disabled={!isAllowed} isBusy={isBusy}>
            {confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
