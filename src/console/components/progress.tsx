import { useId } from "preact/hooks";

export interface ProgressProps {
  /** How far it is, in words. */
  readonly text: string;
  readonly value: number;
  /** Null: the end is not known. */
  readonly max: number | null;
}

export function Progress({ text, value, max }: ProgressProps) {
  const id = useId();
  return (
    <div class="stack stack-close">
      <p id={id}>{text}</p>
      {max === null ? <progress aria-labelledby={id} /> : <progress aria-labelledby={id} max={max} value={value} />}
    </div>
  );
}
