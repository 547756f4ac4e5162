import { useState } from "preact/hooks";
import { Button } from "../../components/button.tsx";
import { SelectField, TextArea, TextField } from "../../components/field.tsx";
import { type Criteria, flawOf, isNarrowed, MODES, type Mode, ORDERS } from "./criteria.ts";
import { ImportanceField } from "./importance-field.tsx";

const MODE_TEXTS: Readonly<Record<Mode, string>> = {
  hybrid: "Words and meaning",
  vector: "Meaning (vectors)",
  text: "Words",
};

const PRIVACIES = [
  { value: "", text: "Any" },
  { value: "full", text: "full" },
  { value: "redacted", text: "redacted" },
  { value: "local_only", text: "local_only" },
];

export interface CriteriaFormProps {
  readonly criteria: Criteria;
  readonly onApply: (criteria: Criteria) => void;
}

export function CriteriaForm({ criteria, onApply }: CriteriaFormProps) {
  const [draft, setDraft] = useState(criteria);
  const [isOpen, setIsOpen] = useState(isNarrowed(criteria));
  const flaw = flawOf(draft);
  const set = (change: Partial<Criteria>) => setDraft({ ...draft, ...change });
  const isSearch = draft.text.trim() !== "";
  return (
    <form
      class="stack"
      noValidate
      aria-label="Which memories"
      onSubmit={(event) => {
        event.preventDefault();
        if (flaw === null) onApply({ ...draft, text: draft.text.trim() });
      }}
    >
      <div class="filters">
        <TextField
          label="Search for"
          type="search"
          value={draft.text}
          onInput={(text) => set({ text })}
          placeholder="Empty: list all"
        />
        {isSearch ? (
          <SelectField
            label="By"
            value={draft.mode}
            onInput={(mode) => set({ mode: mode as Mode })}
            choices={MODES.map((mode) => ({ value: mode, text: MODE_TEXTS[mode] }))}
          />
        ) : (
          <SelectField label="Order" value={draft.order} onInput={(order) => set({ order })} choices={ORDERS} />
        )}
        <div class="row">
          <Button type="submit" look="primary">
            {isSearch ? "Search" : "List"}
          </Button>
          <Button onClick={() => setIsOpen(!isOpen)} isExpanded={isOpen} controls="memory-filters">
            Filters
          </Button>
        </div>
      </div>
      <div id="memory-filters" hidden={!isOpen}>
        <div class="filters">
          <TextField label="Id begins with" value={draft.id} onInput={(id) => set({ id })} isCode placeholder="Any" />
          <TextField label="Memory type" value={draft.type} onInput={(type) => set({ type })} placeholder="Any" />
          <SelectField
            label="Privacy"
            value={draft.privacy}
            onInput={(privacy) => set({ privacy })}
            choices={PRIVACIES}
          />
          <ImportanceField
            label="Importance at least"
            value={draft.importanceMin}
            onInput={(importanceMin) => set({ importanceMin })}
            error={flaw?.field === "importanceMin" ? flaw.text : null}
          />
          <TextArea
            label="Filter as JSON"
            rows={3}
            isCode
            value={draft.where}
            onInput={(where) => set({ where })}
            hint={'For example {"metadata.user": {"eq": "Ada"}}'}
            error={flaw?.field === "where" ? flaw.text : null}
          />
        </div>
      </div>
    </form>
  );
}
