import type { ComponentChildren } from "preact";

export interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: (event: MouseEvent) => void;
  readonly type?: "button" | "submit";
  /** @default "plain" */
  readonly look?: "plain" | "primary" | "danger" | "quiet";
  /** The order is under way: the button stays in place, says so, and takes no press. */
  readonly isBusy?: boolean;
  readonly disabled?: boolean;
  /** For screen readers, where the text does not say enough by itself. */
  readonly label?: string;
  readonly controls?: string;
  readonly isExpanded?: boolean;
  readonly isPressed?: boolean;
}

export function Button(props: ButtonProps) {
  const { children, onClick, type = "button", look = "plain", isBusy = false, disabled = false, label } = props;
  return (
    <button
      type={type}
      class={`button button-${look}`}
      // Not `disabled` while busy: the focus would be lost.
      disabled={disabled}
      aria-disabled={isBusy ? "true" : undefined}
      aria-busy={isBusy ? "true" : undefined}
      aria-label={label}
      aria-controls={props.controls}
      aria-expanded={props.isExpanded}
      aria-pressed={props.isPressed}
      onClick={isBusy ? undefined : onClick}
    >
      {isBusy && <span class="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}
