import { useId } from "preact/hooks";

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: string | undefined;
  /** What is wrong with the value. */
  readonly error?: string | null | undefined;
  readonly disabled?: boolean;
}

export interface TextFieldProps extends FieldProps {
  readonly type?: "text" | "search" | "password" | "number" | "datetime-local";
  readonly placeholder?: string;
  /** Shown in a fixed width: ids, keys, JSON. */
  readonly isCode?: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number | "any";
}

export function TextField(props: TextFieldProps) {
  const { label, value, onInput, hint, error, type = "text", isCode = false } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        // The types of Preact have no field whose kind is chosen at run time.
        type={type as "text"}
        class={isCode ? "code" : undefined}
        value={value}
        placeholder={props.placeholder}
        disabled={props.disabled}
        min={props.min}
        max={props.max}
        step={props.step}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={describedBy(id, hint, error)}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

export function TextArea(props: FieldProps & { readonly rows?: number; readonly isCode?: boolean }) {
  const { label, value, onInput, hint, error, rows = 4, isCode = false } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        class={isCode ? "code" : undefined}
        value={value}
        disabled={props.disabled}
        spellcheck={!isCode}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={describedBy(id, hint, error)}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

export interface Choice {
  readonly value: string;
  readonly text: string;
}

export function SelectField(props: FieldProps & { readonly choices: readonly Choice[] }) {
  const { label, value, onInput, hint, error, choices } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={props.disabled}
        aria-describedby={describedBy(id, hint, error)}
        onChange={(event) => onInput(event.currentTarget.value)}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.text}
          </option>
        ))}
      </select>
      <FieldNotes id={id} hint={hint} error={error} />
    </div>
  );
}

export interface CheckFieldProps {
  readonly label: string;
  readonly isChecked: boolean;
  readonly onChange: (isChecked: boolean) => void;
  readonly disabled?: boolean;
  /** The label is for screen readers only, as in a table's row. */
  readonly isBare?: boolean;
}

export function CheckField({ label, isChecked, onChange, disabled = false, isBare = false }: CheckFieldProps) {
  return (
    <label class={isBare ? "check check-bare" : "check"}>
      <input
        type="checkbox"
        checked={isChecked}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span class={isBare ? "for-screen-readers" : undefined}>{label}</span>
    </label>
  );
}

export interface ChoiceFieldProps {
  readonly legend: string;
  readonly value: string;
  readonly choices: readonly (Choice & { readonly hint?: string })[];
  readonly onInput: (value: string) => void;
}

/** Few choices, all in sight. */
export function ChoiceField({ legend, value, choices, onInput }: ChoiceFieldProps) {
  const name = useId();
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      {choices.map((choice) => (
        <label key={choice.value} class="choice">
          <input
            type="radio"
            name={name}
            value={choice.value}
            checked={choice.value === value}
            onChange={() => onInput(choice.value)}
          />
          <span>
            {choice.text}
            {choice.hint !== undefined && <span class="hint">{choice.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function FieldNotes({ id, hint, error }: { id: string; hint: string | undefined; error: string | null | undefined }) {
  return (
    <>
      {hint !== undefined && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} class="field-error">
          {error}
        </p>
      )}
    </>
  );
}

function describedBy(id: string, hint: string | undefined, error: string | null | undefined): string | undefined {
  const ids = [hint !== undefined && `${id}-hint`, error && `${id}-error`].filter(Boolean);
  return ids.length === 0 ? undefined : ids.join(" ");
}
