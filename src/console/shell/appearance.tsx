import { useState } from "preact/hooks";
import { SelectField } from "../components/field.tsx";

const CHOICES = [
  { value: "light dark", text: "As the system" },
  { value: "light", text: "Light" },
  { value: "dark", text: "Dark" },
];

/** Light or dark, until the page is closed: nothing is kept in the browser. */
export function Appearance() {
  const [value, setValue] = useState(document.documentElement.style.colorScheme || "light dark");
  return (
    <SelectField
      label="Appearance"
      value={value}
      choices={CHOICES}
      onInput={(chosen) => {
        document.documentElement.style.colorScheme = chosen;
        setValue(chosen);
      }}
    />
  );
}
