/** The documentation of one field of an interface. */
export interface DocumentedField {
  /** Without `@default`; empty where there is none. */
  readonly text: string;
  /** The value behind `@default`, where it is a literal; otherwise undefined. */
  readonly defaultValue: unknown;
}

const FIELD = /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*\n)?\s*(?:readonly )?(\w+)\??:\s[^\n]*/g;

/** Fields of the interfaces in a source text, by name, with their docstrings. */
export function documentedFields(source: string): Map<string, DocumentedField> {
  const bodies = [...source.matchAll(/interface [^{]*\{\n([\s\S]*?)\n\}/g)].map(([, body = ""]) => body);
  const fields = bodies.flatMap((body) =>
    [...body.matchAll(FIELD)].map(([, comment = "", name = ""]): [string, DocumentedField] => {
      const [text = "", given] = comment
        .replace(/^\s*\*/gm, "")
        .replace(/\s+/g, " ")
        .split("@default");
      return [name, { text: text.trim(), defaultValue: literal(given) }];
    }),
  );
  return new Map(fields);
}

function literal(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  const [value = ""] = text.trim().split(/\s\(/); // `1_800_000 (30 min)`
  try {
    return JSON.parse(value.replace(/(?<=\d)_(?=\d)/g, ""));
  } catch {
    return undefined;
  }
}
