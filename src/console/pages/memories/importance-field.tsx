import { TextField, type TextFieldProps } from "../../components/field.tsx";

/** An importance as a text: a number from 0 to 1. */
export function ImportanceField(props: Pick<TextFieldProps, "label" | "value" | "onInput" | "error">) {
  return <TextField {...props} type="number" min={0} max={1} step="any" />;
}
